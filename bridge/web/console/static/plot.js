// Draws a plot when it comes near the screen: its script is a megabyte that a phone may never need.

// Bokeh makes style elements; the page's nonce lets these pass the content security policy.
const nonce = document.getElementById("console").nonce;
const create = document.createElement.bind(document);
document.createElement = (name, options) => {
  const made = create(name, options);
  if (String(name).toLowerCase() === "style") made.nonce = nonce;
  return made;
};

let library;
const load = () => (library ??= new Promise((done, failed) => {
  const script = document.createElement("script");
  script.src = `/static/bokeh/bokeh.min.js?v=${document.body.dataset.bokeh}`;
  script.onload = () => { window.Bokeh.set_log_level?.("error"); done(window.Bokeh); };
  script.onerror = failed;
  document.head.append(script);
}));
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
}, { rootMargin: "400px" });

export function plots() {
  for (const place of document.querySelectorAll("[data-plot]")) {
    if (place.dataset.drawn !== place.dataset.rev && place.dataset.wanted !== place.dataset.rev) {
      place.dataset.wanted = place.dataset.rev;
      if (!place.dataset.drawn) place.textContent = place.dataset.loading;
      near.observe(place);
    }
  }
}

async function draw(place) {
  const wanted = place.dataset.rev;
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  try {
    const [bokeh, answer] = await Promise.all([load(), fetch(`${place.dataset.plot}?theme=${theme}`)]);
    if (!answer.ok) throw new Error(answer.status);
    const item = await answer.json();
    place.replaceChildren();
    await bokeh.embed.embed_item(item, place.id);
    place.dataset.drawn = wanted;
  } catch {
    if (!place.dataset.drawn) place.textContent = place.dataset.failed;
    place.dataset.wanted = "";
  }
}
