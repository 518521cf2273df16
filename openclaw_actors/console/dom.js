/** Making elements. Words always go in as text, never as markup: callers say what they like. */

/** An SVG of the sprite, hidden from screen readers: a word always stands beside it. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", new URL(`icons.svg#${name}`, import.meta.url).href);
  svg.append(use);
  return svg;
}

/** Make an element with a class and a text. */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/**
 * Make an element with all that belongs to it.
 *
 * @param {string} spec tag and classes, such as "button.primary.round"
 * @param {object} [props] attributes; `on…` are listeners, `data` is the data set, null and false leave out
 * @param {...(Node|string|null|false)} children
 */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(made.dataset, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return made;
}

/** A button with an icon and a word. */
export function iconButton(name, label, props = {}) {
  return h("button", { type: "button", ...props }, icon(name), h("span.label", {}, label));
}

/** Change a text only where it differs: a screen reader reads what is written, even if it stays the same. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const at = (id) => document.getElementById(id);

/** A word in passing: read out at once, shown for a while. @param {"quiet"|"bad"} tone */
export function toast(text, tone = "quiet") {
  const note = h("p.toast", { data: { tone } }, text);
  at("toasts").append(note);
  while (at("toasts").children.length > 3) at("toasts").firstElementChild.remove();
  setTimeout(() => note.remove(), tone === "bad" ? 9000 : 4500);
}
