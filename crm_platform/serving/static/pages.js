// What the pages gain from a script: numbers under the pointer and the keys, PNG, copied links, menus that close, word of newer
// figures. Everything else works without it.
"use strict";

const tip = document.querySelector(".tip");

// Rows in the order the drawing knows them by, however a reader sorts the table.
const drawnRows = new WeakMap();

function rowsOf(panel) {
  if (!drawnRows.has(panel)) drawnRows.set(panel, [...panel.querySelectorAll(".behind tbody tr")]);
  return drawnRows.get(panel);
}

function showTip(panel, index, x, y) {
  const row = rowsOf(panel)[index];
  if (!row) { hideTip(); return; }
  Object.assign(tip.dataset, { panel: panel.id, row: index });
  tip.classList.remove("leads");
  const headings = panel.querySelectorAll(".behind thead th");
  tip.replaceChildren();
  [...row.children].forEach((cell, number) => {
    if (number === 0) {
      const title = document.createElement("b");
      title.textContent = cell.textContent;
      tip.append(title);
      return;
    }
    const line = document.createElement("div");
    const value = document.createElement("span");
    value.textContent = cell.textContent;
    line.append(headings[number].textContent, value);
    tip.append(line);
  });
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
  const top = Math.min(Math.max(8, y - box.height / 2), innerHeight - box.height - 8);
  tip.style.transform = `translate(${Math.max(8, left)}px, ${top}px)`;
}

function hideTip() {
  tip.hidden = true;
  document.querySelectorAll(".cursor").forEach((line) => line.remove());
}

// Where the rows of a drawing stand, in its own units: a chart by day by the width of a day, others by their marks.
function placesOf(svg) {
  const { step, x0, rows, rowFrom = 0, top, bottom } = svg.dataset;
  if (!step) {
    return [...svg.querySelectorAll("[data-row]")].map((mark) => {
      const { x, y, width, height } = mark.getBBox();
      return { row: Number(mark.dataset.row), x: x + width / 2, y: y + height / 2, outline: `M${x} ${y}h${width}v${height}h${-width}z` };
    });
  }
  return Array.from({ length: rows }, (_, index) => {
    const x = Number(x0) + step * index;
    return { row: index + Number(rowFrom), x, y: (Number(top) + Number(bottom)) / 2, outline: `M${x} ${top}V${bottom}` };
  });
}

function pointOut(svg, place, x, y) {
  hideTip();
  if (!place) return;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("class", "cursor");
  line.setAttribute("d", place.outline);
  svg.append(line);
  showTip(svg.closest(".panel"), place.row, x, y);
}

function overChart(event) {
  const svg = event.currentTarget;
  const places = placesOf(svg);
  const box = svg.getBoundingClientRect();
  const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
  const place = svg.dataset.step
    ? places[Math.round((x - svg.dataset.x0) / (Number(svg.dataset.step) || 1))]
    : places.find(({ row }) => row === Number(event.target.dataset.row));
  pointOut(svg, place, event.clientX, event.clientY);
}

// By keyboard a chart is read row by row, aloud too.
const told = document.querySelector(".told");
const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity };

function furnishChart(svg) {
  let at = -1;
  svg.tabIndex = 0;
  svg.setAttribute("role", "application");
  svg.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const places = placesOf(svg);
    const last = places.length - 1;
    at = at < 0 && step === -1 ? last : Math.min(Math.max(at + step, 0), last);
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    pointOut(svg, places[at], box.left + places[at].x * scale, box.top + places[at].y * scale);
    told.textContent = tip.innerText;
  });
  svg.addEventListener("blur", (event) => { at = -1; if (!tip.contains(event.relatedTarget)) hideTip(); });
  svg.addEventListener("pointermove", overChart);
  svg.addEventListener("pointerdown", overChart);
  // A finger leaves when it is lifted: what it tapped stays, until it taps elsewhere.
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") hideTip(); });
}
document.addEventListener("pointerdown", (event) => { if (!event.target.closest(".panel .chart, .tip")) hideTip(); });

// PNG: the drawing with the colours it has on the page, twice its size.
const LOOK = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-weight", "font-family", "paint-order"];

function saveAsPng(panel) {
  const svg = [...panel.querySelectorAll(".chart")].find((one) => one.getClientRects().length);
  const copy = svg.cloneNode(true);
  const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((one, index) => {
    const look = getComputedStyle(one);
    LOOK.forEach((name) => to[index].setAttribute(name, look.getPropertyValue(name)));
  });
  const { width, height } = svg.viewBox.baseVal;
  const [head, pad] = [64, 16];
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [(width + 2 * pad) * 2, (height + head + 2 * pad) * 2];
    const draw = canvas.getContext("2d");
    const look = getComputedStyle(panel);
    draw.scale(2, 2);
    draw.fillStyle = look.backgroundColor;
    draw.fillRect(0, 0, canvas.width, canvas.height);
    draw.fillStyle = look.color;
    draw.font = `600 16px ${look.fontFamily}`;
    draw.fillText(panel.querySelector("h2").textContent, pad, pad + 16);
    draw.font = `12px ${look.fontFamily}`;
    draw.fillText(panel.querySelector(".sub").textContent.replace(/\s+/g, " "), pad, pad + 36);
    draw.fillText([...document.querySelectorAll(".status .part")].map((part) => part.textContent).join(" · "), pad, pad + 54);
    draw.drawImage(image, pad, pad + head, width, height);
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${panel.id}.png`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
}

function furnishPng(button) {
  const panel = button.closest(".panel");
  if (!panel.querySelector(".chart")) return;
  button.hidden = false;
  button.addEventListener("click", () => saveAsPng(panel));
}

function furnishLink(button) {
  if (!navigator.clipboard) return;
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const address = new URL(location.href);
    address.hash = button.closest(".panel").id;
    await navigator.clipboard.writeText(address.href);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = words; }, 2000);
  });
}

// A table opens at the chosen days.
function furnishDetails(details) {
  details.addEventListener("toggle", () => {
    const row = details.querySelector("tr.chosen");
    if (details.open && row) details.querySelector(".scroll").scrollTop = row.offsetTop - row.closest("table").tHead.offsetHeight;
  });
}

// Tables are sorted by their headings, numbers from the largest, words from A; what is not known stays last.
function exactly(row, column) {
  const cell = row.children[column];
  return cell.dataset.value ?? cell.textContent.replace(/^[^\p{L}\p{N}]+$/u, "").replaceAll(",", "");
}

function sortBy(heading, column) {
  const table = heading.closest("table");
  const before = heading.getAttribute("aria-sort");
  const isDown = before ? before === "ascending" : heading.classList.contains("n");
  const rows = [...table.tBodies[0].rows];
  rowsOf(table.closest(".panel"));
  const direction = isDown ? -1 : 1;
  rows.sort((one, other) => {
    const [a, b] = [exactly(one, column), exactly(other, column)];
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = Number(a) - Number(b);
    return direction * (Number.isNaN(difference) ? a.localeCompare(b, document.documentElement.lang) : difference);
  });
  table.tBodies[0].append(...rows);
  table.querySelectorAll("th[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", isDown ? "descending" : "ascending");
}

function furnishTable(table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(heading, column));
  });
}

// What a script adds to the figures: when the page comes, and when newer figures take its place.
const FURNISH = [
  [".panel .chart", furnishChart],
  [".tools .png", furnishPng],
  [".tools .link", furnishLink],
  ["details.behind", furnishDetails],
  [".panel table:not(.ranking)", furnishTable],
];
function furnish() {
  FURNISH.forEach(([name, add]) => document.querySelectorAll(name).forEach(add));
}
furnish();

// One menu open at a time; Escape, a click elsewhere and leaving it by keyboard close it.
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest("details.menu");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hideTip();
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

// A snapshot published while the page is open: pages of now turn by themselves, a chosen past range says that there are
// newer figures, and so does a page that its reader is at work in.
async function lookForNewer() {
  const shown = document.documentElement.dataset.snapshot;
  if (document.hidden || shown === undefined) return;
  try {
    const answer = await fetch("/state.json", { headers: { Accept: "application/json" } });
    const { snapshot } = await answer.json();
    const isLive = document.getElementById("live") !== null;
    if (snapshot && (snapshot !== shown || (isLive && Date.now() - came > LONGEST))) {
      if (!shown) { location.reload(); return; }
      if ("turns" in document.documentElement.dataset && !isAtWork(isLive)) { await showNewer(); return; }
      document.querySelector(".newer").hidden = isLive;
    }
  } catch {
    // The server is being restarted; the next look will tell.
  }
}

// Who waits: the new page takes the place of the old one. Scroll and focus stay; an open menu is not taken away.
const PARTS = ["#main", ".status", ".foot"];
const LONGEST = 600_000; // ms a page of who waits stands without asking again: its figures may have grown old meanwhile

function isAtWork(isLive) {
  if (document.querySelector("#main details.menu[open]")) return true;
  return !isLive && (!tip.hidden || !getSelection().isCollapsed || document.querySelector("#main table:not(.ranking) th[aria-sort]") !== null);
}

async function showNewer() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.redirected) { location.reload(); return; } // the session is over: to the door
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (PARTS.some((name) => !next.querySelector(name))) { location.reload(); return; }
  const held = document.activeElement;
  const [place, table] = [scrollY, document.getElementById("waits-table")];
  const [left, href] = [table?.scrollLeft ?? 0, held?.getAttribute("href")];
  const open = [...document.querySelectorAll("#main details.behind")].map((one) => one.open);
  next.querySelector(".tip").replaceWith(tip);
  next.querySelector(".told").replaceWith(told);
  PARTS.forEach((name) => document.querySelector(name).replaceWith(next.querySelector(name)));
  document.documentElement.dataset.snapshot = next.documentElement.dataset.snapshot;
  document.querySelectorAll("#main details.behind").forEach((one, index) => { one.open = open[index] ?? false; });
  document.dispatchEvent(new Event("turned"));
  came = Date.now();
  countOn();
  document.getElementById("waits-table")?.scrollTo({ left, behavior: "instant" });
  scrollTo({ top: place, behavior: "instant" });
  if (!held?.isConnected) {
    const again = held.id ? document.getElementById(held.id) : [...document.querySelectorAll("#main a")].find((one) => one.getAttribute("href") === href);
    (again ?? document.getElementById("main")).focus({ preventScroll: true });
  }
}

// A duration in whole minutes, in the two largest units, as the page writes it.
function inMinutes(seconds, units) {
  const whole = Math.floor(seconds / 60) * 60;
  const at = Math.max(0, units.findIndex(([size]) => whole >= size || size === 60));
  const [size, words] = units[at];
  const [part, partWords] = units[at + 1];
  const rest = size === 60 ? 0 : Math.floor((whole % size) / part);
  const written = [words.replace("{n}", Math.floor(whole / size))];
  if (rest) written.push(partWords.replace("{n}", size === 3600 ? String(rest).padStart(2, "0") : rest));
  return written.join(" ").replaceAll(" ", "\u00a0");
}

// Ages are told as of the cut, which was `data-age` seconds old when the page came; from then on they count here.
let came = Date.now();
function countOn() {
  const live = document.getElementById("live");
  if (!live) return;
  const passed = Number(live.dataset.age) + (Date.now() - came) / 1000;
  const units = JSON.parse(live.dataset.units);
  const ago = live.querySelector("[data-ago]");
  ago.textContent = ago.dataset.ago.replace("{duration}", inMinutes(passed, units));
  live.querySelector(".counting").hidden = false;
  live.querySelectorAll("[data-age]").forEach((one) => { one.textContent = inMinutes(Number(one.dataset.age) + passed, units); });
  live.querySelectorAll("[data-left]").forEach((one) => {
    const left = Number(one.dataset.left) - passed;
    one.textContent = left > 0 ? inMinutes(left, units) : live.dataset.closed;
    one.classList.toggle("soon", left <= Number(live.dataset.closing));
  });
}
countOn();
setInterval(countOn, 10_000);
setInterval(lookForNewer, 60_000); // where nobody tells
document.addEventListener("turned", furnish);
// A page that nobody sees listens to nobody: a browser keeps few connections to one server.
let turns = null;
function listen() {
  if (document.documentElement.dataset.snapshot === undefined) return;
  if (document.hidden) {
    turns?.close();
    turns = null;
  } else if (!turns) {
    turns = new EventSource("/turns");
    turns.addEventListener("message", ({ data }) => {
      if (data && data !== document.documentElement.dataset.snapshot) lookForNewer();
    });
  }
}
listen();
document.addEventListener("visibilitychange", listen);
document.addEventListener("visibilitychange", () => { countOn(); lookForNewer(); });
