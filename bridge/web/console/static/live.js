// Keeps the page true without a reload: an event asks for the page's live part again and only what
// differs is changed, so that focus, scroll, open dialogs and typed text stay.

const QUIET_MS = 300;      // events come in groups; one fetch answers them
const REST_MS = 1000;      // however many come, a page asks at most once a second
const SPOKEN_MS = 15000;   // a screen reader hears at most this often that the page changed
const HIDDEN_MS = 60000;
const OWN = ["data-drawn", "data-wanted"];   // what a plot notes of itself
const live = () => document.getElementById("live");

export function follow({ connected, changed }) {
  if (!live()) return;
  let timer = 0, refreshed = 0, busy = false, again = false, spoken = 0;

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Part": "1", Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") { location.reload(); return; }
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
        if (next) {
          const differs = merge(live(), next);
          if (differs && Date.now() - spoken > SPOKEN_MS) {
            spoken = Date.now();
            const words = document.getElementById("spoken");
            words.textContent = ""; words.textContent = words.dataset.updated;
          }
          changed();
        }
      }
    } catch { /* the stream tells when the connection is back */ } finally {
      busy = false;
      if (again) { again = false; soon(); }
    }
  }
  function soon() {
    if (timer) return;
    const wait = Math.max(QUIET_MS, refreshed + REST_MS - Date.now());
    timer = setTimeout(() => { timer = 0; refreshed = Date.now(); refresh(); }, wait);
  }

  const page = live().dataset;
  const link = document.getElementById("link");
  const show = (on) => {
    link.className = on ? "link on" : "link off";
    link.textContent = on ? link.dataset.live : link.dataset.lost;
  };
  let seq = page.seq, lost = false, stream;
  function open() {
    if (stream && stream.readyState !== EventSource.CLOSED) return;
    stream = new EventSource(`/api/v1/stream?after=${seq}`);
    stream.onopen = () => { show(true); connected(); if (lost) { lost = false; soon(); } };
    stream.onmessage = (message) => {
      seq = message.lastEventId || seq;
      const event = JSON.parse(message.data);
      if (page.follow !== "case" || event.case === page.case) soon();
    };
    stream.onerror = () => {
      show(false); lost = true;
      // A browser gives up for good after a refusal; then a new stream is opened from where we are.
      if (stream.readyState === EventSource.CLOSED) { soon(); setTimeout(open, 3000); }
    };
  }
  open();
  addEventListener("online", () => { connected(); soon(); });
  addEventListener("offline", () => show(false));
  document.addEventListener("acted", soon);
  // A browser has few connections for one site: a tab that nobody looks at gives its own back.
  let hidden = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => stream.close(), HIDDEN_MS);
    else { open(); soon(); }
  });
  if (page.every) setInterval(() => { if (!document.hidden) soon(); }, Number(page.every) * 1000);
}

// Makes `old` like `next` in place and says whether anything differed. What has data-keep keeps its
// inside; an open dialog and a field somebody types in are left alone.
export function merge(old, next) {
  let differs = attributes(old, next);
  if (old.matches("dialog[open], [data-keep]")) return differs;
  const kept = new Map();
  for (const child of old.children) if (child.id) kept.set(child.id, child);
  let here = old.firstChild;
  for (const wanted of [...next.childNodes]) {
    const named = wanted.nodeType === 1 && wanted.id ? kept.get(wanted.id) : null;
    if (named && named !== here) { old.insertBefore(named, here); here = named; differs = true; }
    if (here && alike(here, wanted)) {
      if (here.nodeType === 1) differs = merge(here, wanted) || differs;
      else if (here.nodeValue !== wanted.nodeValue) { here.nodeValue = wanted.nodeValue; differs = true; }
      here = here.nextSibling;
    } else {
      const fresh = document.importNode(wanted, true);
      old.insertBefore(fresh, here);
      if (fresh.nodeType === 1 && fresh.matches(".row, .timeline li, .tile")) fresh.classList.add("fresh");
      differs = true;
    }
  }
  while (here) { const gone = here; here = here.nextSibling; if (!gone.matches?.("dialog[open]")) { gone.remove(); differs = true; } }
  return differs;
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.nodeType !== 1 || (a.id || "") === (b.id || ""));
}

function attributes(old, next) {
  let differs = false;
  for (const { name, value } of [...next.attributes]) {
    if (name === "open") continue;
    if (old.getAttribute(name) !== value) { old.setAttribute(name, value); differs = differs || name !== "data-seq"; }
  }
  for (const { name } of [...old.attributes]) {
    if (name === "open" && old.matches("details")) continue;   // opened or shut by the reader
    if (!next.hasAttribute(name) && name !== "open" && !OWN.includes(name) && !(name === "class" && old.className === "fresh")) old.removeAttribute(name);
  }
  return differs;
}
