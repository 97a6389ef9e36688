// Everything the console does in the browser; the pages work as documents without it.
import { follow } from "./live.js";
import { acts } from "./acts.js";
import { plots } from "./plot.js";
import { demo } from "./demo.js";

const me = document.querySelector("details.me");
if (me) {
  document.addEventListener("click", (event) => { if (!me.contains(event.target)) me.open = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && me.open) { me.open = false; me.querySelector("summary").focus(); }
  });
}
const clock = document.querySelector("[data-local]");
if (clock) {
  const ahead = Number(clock.dataset.local) - Date.now();   // the page shows the bridge's clock
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: clock.dataset.zone, hour: "2-digit", minute: "2-digit" });
  setInterval(() => { clock.textContent = format.format(new Date(Date.now() + ahead)); }, 5000);
}
const sender = acts();
plots();
demo();
follow({ connected: sender.send, changed: () => { plots(); sender.show(); } });
