// A chart that can be zoomed, moved and picked apart, in the place of its drawing. pages.js fetches this module when a
// reader presses "Explore" for the first time, and this module the chart library; no page needs either to be read.

const KEYS = /^(Arrow(Left|Up|Right|Down)|Home|End|[+=\-0-9])$/;
const BACK = new Set(["ArrowLeft", "ArrowUp"]);

let library;

function fetchScript(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => { script.remove(); reject(new Error(address)); });
    script.src = address;
    document.head.append(script);
  });
}

async function fetchLibrary({ vega, lite, interpreter }) {
  await fetchScript(vega);
  await fetchScript(lite);
  return (await import(interpreter)).expressionInterpreter;
}

async function fetchSpecification(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

// The colours of the theme that the page is in.
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name.replaceAll("_", "-")}`).trim();
}

function shownDrawing(panel) {
  return [...panel.querySelectorAll(".drawing")].find((one) => one.getClientRects().length);
}

function rowOf(item) {
  let datum = item?.datum;
  while (datum?.datum) datum = datum.datum; // what finds the nearest row wraps its mark
  return datum?.row;
}

// Names in the legend; none when there is only one, and no legend.
function seriesOf(specification) {
  const encodings = specification.layer.map(({ encoding }) => encoding.fill ?? encoding.color);
  const names = encodings.find((one) => one?.field === "series")?.scale.domain ?? [];
  return names.length > 1 ? names : [];
}

class Explored {
  constructor(panel, { specification, interpreter, tip }) {
    this.panel = panel;
    this.tip = tip;
    this.count = specification.data.values.length;
    this.names = seriesOf(specification);
    this.place = -1;
    this.box = document.createElement("div");
    this.box.className = "explored";
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-label", shownDrawing(panel).querySelector(".chart").getAttribute("aria-label"));
    this.stage = document.createElement("div"); // Vega takes its roles and labels for its own
    this.stage.setAttribute("aria-hidden", "true");
    this.told = document.createElement("p");
    this.told.className = "hidden";
    this.told.setAttribute("role", "status");
    this.colours = specification.params.filter(({ value }) => value).map(({ name }) => name);
    this.view = this.draw(specification, interpreter);
    this.box.append(this.stage, this.told);
    this.box.addEventListener("keydown", (event) => this.onKey(event));
    this.box.addEventListener("blur", () => this.leave());
    this.box.addEventListener("pointerleave", () => this.tip.hide());
    this.sizes = new ResizeObserver(() => this.fit());
    this.schemes = matchMedia("(prefers-color-scheme: dark)");
    this.onScheme = () => this.paint();
  }

  draw(specification, interpreter) {
    const spec = structuredClone(specification);
    delete spec.title; // the panel has it as its heading
    delete spec.description; // and the box as its label
    spec.config.aria = false;
    spec.config.font = getComputedStyle(this.panel).fontFamily;
    spec.params.forEach((one) => { if (one.value) one.value = colour(one.name); });
    const drawing = shownDrawing(this.panel);
    [spec.width, spec.height] = this.size = [drawing.clientWidth, drawing.clientHeight];
    const compiled = globalThis.vegaLite.compile(spec).spec;
    this.signals = compiled.signals.map(({ name }) => name);
    const runtime = globalThis.vega.parse(compiled, null, { ast: true });
    const view = new globalThis.vega.View(runtime, { expr: interpreter, renderer: "svg", hover: false });
    view.tooltip((_, event, item, value) => {
      const row = value ? rowOf(item) : undefined;
      if (row === undefined) this.tip.hide(); else this.tip.show(row, event.clientX, event.clientY);
    });
    return view;
  }

  async open() {
    this.move();
    await this.view.initialize(this.stage).runAsync();
    this.stage.querySelector("svg").classList.add("chart");
    this.panel.classList.add("exploring");
    this.sizes.observe(this.box);
    this.schemes.addEventListener("change", this.onScheme);
  }

  close() {
    this.sizes.disconnect();
    this.schemes.removeEventListener("change", this.onScheme);
    this.tip.hide();
    this.panel.classList.remove("exploring");
    this.box.remove();
    this.view.finalize();
  }

  // The box lies over the drawing that shows, which keeps its place: nothing else on the page moves.
  move() {
    const drawing = shownDrawing(this.panel);
    if (drawing && this.box.parentElement !== drawing) drawing.append(this.box);
  }

  fit() {
    this.move();
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    if (!width || !height || (width === this.size[0] && height === this.size[1])) return;
    this.size = [width, height];
    this.view.width(width).height(height).resize().runAsync();
  }

  paint() {
    this.colours.forEach((name) => this.view.signal(name, colour(name)));
    this.view.runAsync();
  }

  // What takes the pointer, an item for each row.
  items() {
    const marks = this.view.scenegraph().root.items[0].items;
    return marks.find((mark) => mark.name === "pointer_marks").items;
  }

  async goTo(place) {
    this.place = Math.min(Math.max(place, 0), this.count - 1);
    if (this.zoomed) await this.bringIn(this.items()[this.place]);
    const item = this.items()[this.place];
    const fields = this.view.signal("near_tuple_fields");
    const values = fields.map(({ field }) => item.datum[field]);
    await this.view.signal("near_tuple", { unit: "", fields, values }).runAsync();
    const [left, top] = this.view.origin();
    const corner = this.box.getBoundingClientRect();
    const { x1, x2, y1, y2 } = item.bounds;
    this.tip.show(rowOf(item), corner.left + left + (x1 + x2) / 2, corner.top + top + (y1 + y2) / 2);
    this.told.textContent = this.tip.words();
  }

  leave() {
    if (this.place < 0) return;
    this.place = -1;
    this.tip.hide();
    this.view.signal("near_tuple", null).runAsync();
  }

  // The name of the time axis' signal tells its field.
  get timeAxis() {
    return this.signals.find((name) => /^zoom_(\w+_)?(day|month)$/.test(name));
  }

  get zoomed() {
    return this.timeAxis && this.view.signal(this.timeAxis);
  }

  async bringIn(item) {
    const [from, to] = this.view.scale("x").domain().map(Number);
    const at = Number(this.view.scale("x").invert((item.bounds.x1 + item.bounds.x2) / 2));
    const by = at < from ? at - from : at > to ? at - to : 0;
    if (by) await this.view.signal(this.timeAxis, [from + by, to + by]).runAsync();
  }

  zoom(factor) {
    if (!this.timeAxis) return;
    const [from, to] = this.view.scale("x").domain().map(Number);
    const item = this.items()[this.place];
    const middle = item ? Number(this.view.scale("x").invert((item.bounds.x1 + item.bounds.x2) / 2)) : (from + to) / 2;
    const domain = factor ? [middle + (from - middle) * factor, middle + (to - middle) * factor] : null;
    this.view.signal(this.timeAxis, domain).runAsync();
  }

  // As a click on the legend does; the same name again, or none, brings all back.
  single(name) {
    if (!this.names.length) return;
    this.picked = name === this.picked ? undefined : name;
    this.view.signal("pick_series_legend", this.picked ?? null).runAsync();
  }

  async onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS.test(event.key)) return;
    event.preventDefault();
    if (event.key === "0") { this.zoom(0); this.single(undefined); }
    else if (/[1-9]/.test(event.key)) this.single(this.names[Number(event.key) - 1]);
    else if (event.key === "-") this.zoom(1.5);
    else if (event.key === "+" || event.key === "=") this.zoom(1 / 1.5);
    else if (event.key === "Home") await this.goTo(0);
    else if (event.key === "End") await this.goTo(this.count - 1);
    else if (this.place < 0) await this.goTo(BACK.has(event.key) ? this.count - 1 : 0);
    else await this.goTo(this.place + (BACK.has(event.key) ? -1 : 1));
  }
}

// Put the chart in the place of its drawing; gives what takes it away again. `library`: addresses of the scripts;
// `tip`: shows a row of the panel's table, hides it, tells its words.
export async function explore(panel, { specification, scripts, tip }) {
  library ??= fetchLibrary(scripts);
  try {
    const [interpreter, found] = await Promise.all([library, fetchSpecification(specification)]);
    const explored = new Explored(panel, { specification: found, interpreter, tip });
    await explored.open();
    return explored;
  } catch (problem) {
    if (!globalThis.vegaLite) library = undefined; // the next press tries again
    throw problem;
  }
}
