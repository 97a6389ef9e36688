// Acts survive a lost connection: what is typed is a draft on this device, what is submitted waits
// there under one key until the desk has answered, and the same key makes it one act only.

const RETRY_MS = [1000, 2000, 4000, 8000, 15000];
const FINAL = [200, 400, 403, 404, 409, 422];
const person = document.body.dataset.person;
const WAITING = `bridge:outbox:${person}`;
const draftOf = (form) => `bridge:draft:${person}:${form.dataset.case}:${form.dataset.form}`;

const read = (key, empty) => { try { return JSON.parse(localStorage.getItem(key)) ?? empty; } catch { return empty; } };
const write = (key, value) => localStorage.setItem(key, JSON.stringify(value));

export function acts() {
  let timer = 0, tries = 0, sending = false;
  const said = new Map();    // act key -> what the page says of it

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act], [data-cancel], [data-retry], [data-drop]");
    if (!button) return;
    if (button.dataset.dialog) return ask(document.getElementById(button.dataset.dialog));
    if (button.dataset.act) return submit(start(button.dataset.act, button.dataset), button.dataset);
    if ("cancel" in button.dataset) return button.closest("dialog").close();
    if ("retry" in button.dataset) return send();
    drop(button.dataset.drop);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-form]");
    if (form) write(draftOf(form), Object.fromEntries(new FormData(form)));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-form]");
    if (!form) return;
    event.preventDefault();
    const body = start(form.dataset.form, form.dataset);
    for (const [name, value] of new FormData(form)) {
      if (value.trim()) body[name] = form.elements[name].matches("[data-instant]") ? instant(value, form.dataset.zone) : value.trim();
    }
    submit(body, form.dataset);
    localStorage.removeItem(draftOf(form));
    form.closest("dialog").close();
    form.reset();
  });

  function ask(dialog) {
    const form = dialog.querySelector("form");
    const draft = read(draftOf(form), {});
    let back = false;
    for (const [name, value] of Object.entries(draft)) if (form.elements[name] && value) { form.elements[name].value = value; back = true; }
    form.querySelector("[data-draft]").hidden = !back;
    dialog.showModal();
    form.querySelector("textarea, input")?.focus();
  }

  function submit(body, { case: of, name }) {
    const waiting = read(WAITING, []);
    if (waiting.some((act) => act.case === of && act.body.do === body.do && act.body.side === body.side)) return send();
    const act = { key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, case: of, name, body, late: false };
    write(WAITING, [...waiting, act]);
    said.set(act.key, { text: words().sending.replace("{act}", name), kind: "sending" });
    show();
    send();
  }

  // One tab sends at a time; were it two, the key would still make it one act.
  async function send() {
    clearTimeout(timer);
    if (sending || !read(WAITING, []).length) return;
    sending = true;
    try {
      if (navigator.locks) await navigator.locks.request(WAITING, sendAll); else await sendAll();
    } finally { sending = false; }
    if (read(WAITING, []).length) timer = setTimeout(send, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
    else tries = 0;
  }

  async function sendAll() {
    for (const act of read(WAITING, [])) {
      let answer = null;
      try {
        answer = await fetch(`/api/v1/cases/${act.case}/acts`, {
          method: "POST", body: JSON.stringify(act.body), signal: AbortSignal.timeout(20000),
          headers: { "Content-Type": "application/json", "Idempotency-Key": act.key, Accept: "application/json" },
        });
      } catch { /* no connection: it stays */ }
      if (answer?.status === 401) { location.reload(); return; }
      if (!answer || !FINAL.includes(answer.status)) {
        keep(act);
        return;
      }
      const content = await answer.json().catch(() => ({}));
      write(WAITING, read(WAITING, []).filter((each) => each.key !== act.key));
      const text = answer.ok ? (act.late ? words().later : words().sent) : words().refused.replace("{reason}", content.detail ?? answer.status);
      if (!answer.ok) giveBack(act);
      said.set(act.key, { text: text.replace("{act}", act.name), kind: answer.ok ? "sent" : "refused" });
      if (answer.ok) setTimeout(() => { said.delete(act.key); show(); }, 12000);
      show();
      document.dispatchEvent(new Event("acted"));
    }
  }

  function keep(act) {
    write(WAITING, read(WAITING, []).map((each) => (each.key === act.key ? { ...each, late: true } : each)));
    said.set(act.key, { text: words().kept.replace("{act}", act.name), kind: "kept" });
    show();
  }
  // What was refused is a draft again: nobody types it twice.
  function giveBack(act) {
    const { do: name, side, ...typed } = act.body;
    delete typed.until;
    if (Object.keys(typed).length) write(`bridge:draft:${person}:${act.case}:${name}`, typed);
  }
  function drop(key) {
    write(WAITING, read(WAITING, []).filter((act) => act.key !== key));
    said.delete(key);
    show();
  }

  function show() {
    const place = document.getElementById("outbox") ?? document.getElementById("notice");
    const texts = document.getElementById("words")?.dataset;
    place.replaceChildren(...[...said].map(([key, { text, kind }]) => {
      const line = element("div", { className: `message ${kind}` }, element("span", { textContent: text }));
      if (kind === "kept") {
        const again = element("button", { type: "button", className: "small", textContent: texts?.now ?? "↻" });
        again.dataset.retry = "";
        line.append(again);
      }
      if (kind === "kept" || kind === "refused") {
        const away = element("button", { type: "button", className: "small", textContent: kind === "kept" ? texts?.drop ?? "✕" : "✕" });
        away.ariaLabel = texts?.drop ?? "✕";
        away.dataset.drop = key;
        line.append(away);
      }
      return line;
    }));
  }

  // What was left here by an earlier page is sent on this one.
  for (const act of read(WAITING, [])) said.set(act.key, { text: words().kept.replace("{act}", act.name), kind: "kept" });
  show();
  send();
  return { send, show: () => { if (said.size) show(); } };
}

const start = (act, { side }) => (side ? { do: act, side } : { do: act });

// A local time of the reader's zone as an instant: the guess is put right by what the zone makes of it.
function instant(local, zone) {
  const wanted = Date.parse(`${local}:00Z`.replace(/(:\d\d:\d\d):00Z$/, "$1Z"));
  const shown = (at) => {
    const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    }).formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
    return Date.parse(`${parts.year}-${parts.month}-${parts.day}T${parts.hour}:${parts.minute}:00Z`);
  };
  let at = wanted;
  for (let turn = 0; turn < 2; turn++) at += wanted - shown(at);
  return new Date(at).toISOString();
}

function words() {
  const place = document.getElementById("words");
  return place ? place.dataset : { sending: "{act} …", sent: "{act} ✓", kept: "{act} …", later: "{act} ✓", refused: "{act}: {reason}" };
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
