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
const sender = acts();
plots();
demo();
follow({ connected: sender.send, changed: () => { plots(); sender.show(); } });
