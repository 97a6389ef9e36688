// The demo's header: its clock runs on here between two looks at the service.

export function demo() {
  const bar = document.querySelector("[data-demo]");
  if (!bar) return;
  const clock = bar.querySelector("[data-clock]"), pause = bar.querySelector("[data-pause]");
  const speeds = bar.querySelector("[data-speeds]"), phase = bar.querySelector("[data-phase-words]");
  const progress = bar.querySelector("[data-bar]");
  const format = new Intl.DateTimeFormat(bar.dataset.language === "de" ? "de-DE" : "en-GB", {
    timeZone: bar.dataset.zone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
  });
  let state = {
    now_ms: Number(bar.dataset.now), speed: Number(bar.dataset.speed), paused: bar.dataset.paused === "true",
    phase: bar.dataset.phase, progress: Number(bar.dataset.progress),
  };
  let taken = performance.now();

  function show() {
    const ran = state.paused ? 0 : (performance.now() - taken) * state.speed;
    clock.textContent = format.format(new Date(state.now_ms + ran));
    pause.textContent = state.paused ? pause.dataset.wordsResume : pause.dataset.wordsPause;
    phase.textContent = state.phase === "history" ? phase.dataset.history : phase.dataset.live;
    progress.hidden = state.phase !== "history";
    progress.value = state.progress;
    if (document.activeElement !== speeds) speeds.value = String(state.speed);
  }
  async function look(request) {
    try {
      const answer = await request;
      if (answer.ok) { state = await answer.json(); taken = performance.now(); show(); }
    } catch { /* shown by the connection's mark */ }
  }
  const set = (content) => look(fetch("/demo/clock", { method: "POST", body: new URLSearchParams(content) }));
  pause.addEventListener("click", () => set({ do: state.paused ? "resume" : "pause" }));
  speeds.addEventListener("change", () => set({ do: "speed", speed: speeds.value }));
  setInterval(show, 500);
  setInterval(() => { if (!document.hidden) look(fetch("/demo/state")); }, 3000);
  show();
}
