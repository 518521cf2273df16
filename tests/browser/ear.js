// Listens to what the page plays: the peak of each 20 ms of #remote-audio's stream, with performance.now() times.
() => {
  const loud = 0.02; // -34 dBFS: above the noise of an idle decoder, below the quietest vowel of espeak-ng
  const ear = { onsets: [], lastLoud: -Infinity, peak: 0, waits: [] };
  const audio = document.querySelector("#remote-audio");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  const samples = new Float32Array(analyser.fftSize);
  let stream = null;
  setInterval(() => {
    if (audio.srcObject && audio.srcObject !== stream) {
      stream = audio.srcObject;
      context.createMediaStreamSource(stream).connect(analyser);
      context.resume();
    }
    const now = performance.now();
    if (stream) {
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      ear.peak = Math.max(ear.peak, peak);
      if (peak > loud) {
        if (now - ear.lastLoud > 150) ear.onsets.push(now);
        ear.lastLoud = now;
      }
    }
    for (const wait of [...ear.waits]) {
      const found = wait.found(now);
      if (found !== null || now > wait.until) {
        ear.waits.splice(ear.waits.indexOf(wait), 1);
        wait.resolve(found);
      }
    }
  }, 20);
  const until = (found, timeoutMs) =>
    new Promise((resolve) => ear.waits.push({ found, until: performance.now() + timeoutMs, resolve }));
  // Both give a time in ms, or null when it did not come.
  ear.voice = (after, timeoutMs) => until(() => ear.onsets.find((at) => at >= after) ?? null, timeoutMs);
  ear.silence = (quietMs, timeoutMs) => until((now) => (now - ear.lastLoud > quietMs ? ear.lastLoud : null), timeoutMs);
  window.testEar = ear;
}
