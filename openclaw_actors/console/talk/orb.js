/** The rings around the button: the caller's voice in one colour, the agent's in another. */

const STEPS = 120;
/** Share of the way to the new level in one frame at 60 Hz: quick up, slow down, as a needle does. */
const ATTACK = 0.35;
const RELEASE = 0.08;
/** Radius of the button and a gap, as a share of the canvas. */
const RIM = 0.26;
/** How far out each contour lies, and how strong it is. */
const LAYERS = [
  [1.15, 0.3],
  [0.7, 0.42],
  [0.3, 0.55],
];

/** RMS to 0…1 as the ear takes it: -54 dB is nothing, -12 dB is a loud voice. */
export function loudness(rms) {
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, (20 * Math.log10(rms) + 54) / 42));
}

export class Orb {
  #canvas;
  #pen;
  #voices = [
    { name: "--you-bright", colour: "", target: 0, level: 0, strength: 0, reach: 0.12, turn: 1 },
    { name: "--agent-bright", colour: "", target: 0, level: 0, strength: 0, reach: 0.14, turn: -1 },
  ];
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #live = false;
  #frame = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#readColours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#readColours());
    document.addEventListener("themechange", () => this.#readColours());
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Move with the voices, or rest. */
  set live(on) {
    this.#live = on;
    if (!on) for (const voice of this.#voices) voice.target = 0;
    this.#wake();
  }

  /** @param {{input: number, output: number}} levels loudness of caller and agent, 0 to 1 */
  levels({ input, output }) {
    [this.#voices[0].target, this.#voices[1].target] = [input, output];
  }

  #readColours() {
    for (const voice of this.#voices) {
      // A custom property holds light-dark(…) as it was written; only a property that is a colour resolves it.
      this.#canvas.style.color = `var(${voice.name})`;
      voice.colour = getComputedStyle(this.#canvas).color;
      voice.clear = voice.colour.replace("rgb(", "rgba(").replace(")", ", 0)");
    }
    this.#wake();
  }

  #fit() {
    const size = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    [this.#canvas.width, this.#canvas.height] = [size, size];
    this.#wake();
  }

  #wake() {
    this.#frame ||= requestAnimationFrame((now) => this.#draw(now));
  }

  #draw(now) {
    this.#frame = 0;
    const { width } = this.#canvas;
    this.#pen.clearRect(0, 0, width, width);
    let moving = this.#live;
    const [you, agent] = this.#voices;
    agent.strength = Math.min(1, agent.level * 2.5);
    you.strength = 0.75 - 0.6 * agent.strength + Math.min(0.25, you.level);
    for (const voice of this.#voices) {
      voice.level += (voice.target - voice.level) * (voice.target > voice.level ? ATTACK : RELEASE);
      if (voice.level > 0.005) moving = true;
      this.#ring(voice, width, this.#calm.matches ? 0 : now / 1000);
    }
    if (moving) this.#wake(); // a hidden page gets no frames, so it costs nothing there
  }

  #ring({ colour, clear, level, reach, turn, strength }, width, seconds) {
    const pen = this.#pen;
    const middle = width / 2;
    // Clear at the button and full at the rim: two voices at once lie side by side instead of turning brown.
    const fill = pen.createRadialGradient(middle, middle, width * 0.2, middle, middle, width * 0.5);
    fill.addColorStop(0, clear);
    fill.addColorStop(1, colour);
    for (const [grow, alpha] of LAYERS) {
      pen.beginPath();
      for (let step = 0; step <= STEPS; step += 1) {
        const angle = (step / STEPS) * 2 * Math.PI;
        const swell = 0.045 + this.#ripple(angle, seconds * turn, grow) * reach * (0.12 + level);
        const radius = (RIM + swell * grow) * width;
        pen.lineTo(middle + radius * Math.cos(angle), middle + radius * Math.sin(angle));
      }
      pen.closePath();
      pen.globalAlpha = alpha * strength;
      pen.fillStyle = fill;
      pen.fill();
      pen.lineWidth = width / 240;
      pen.strokeStyle = colour;
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  /** Three waves that never fall together, 0 to about 1; without motion, a circle. */
  #ripple(angle, seconds, grow) {
    if (seconds === 0) return 0.6;
    return (
      0.5 +
      0.22 * Math.sin(3 * angle + 1.1 * seconds + 2 * grow) +
      0.18 * Math.sin(4 * angle - 1.7 * seconds) +
      0.14 * Math.sin(7 * angle + 2.3 * seconds + 5 * grow)
    );
  }
}
