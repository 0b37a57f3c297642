"use strict";

// Tables: a click on a heading sorts by its column, another click reverses the order.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const order = heading.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        const difference = a === "" || b === "" ? (a === "") - (b === "") : compare(a, b);
        return a === "" || b === "" || order === "ascending" ? difference : -difference;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b) {
  return Number.isNaN(Number(a)) ? a.localeCompare(b, "en") : Number(a) - Number(b);
}

// Folded parts of the page are printed, too.
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

const element = (id) => document.getElementById(id);
const stored = (id) => JSON.parse(element(id)?.textContent ?? "null");

// Pictures are stored as deflated RGB bytes, which neither an image decoder nor a canvas can change.
function reader(pictures) {
  const decoded = new Map();
  return async (picture) => {
    if (!decoded.has(picture)) {
      const { width, height, data } = pictures[picture];
      const deflated = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
      const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
      const rgb = new Uint8Array(await new Response(stream).arrayBuffer());
      const image = new ImageData(width, height);
      for (let index = 0; index < width * height; index += 1) {
        image.data.set(rgb.subarray(3 * index, 3 * index + 3), 4 * index);
        image.data[4 * index + 3] = 255;
      }
      decoded.set(picture, image);
    }
    return decoded.get(picture);
  };
}

function draw(canvas, image) {
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// The difference of two pictures of the same size, multiplied by a factor.
function difference(a, b, factor) {
  const image = new ImageData(a.width, a.height);
  for (let index = 0; index < a.data.length; index += 1) {
    const isAlpha = index % 4 === 3;
    image.data[index] = isAlpha ? 255 : Math.min(255, Math.abs(a.data[index] - b.data[index]) * factor);
  }
  return image;
}

// Flips: those of the chosen model and setting are shown; of all settings, each image once.
const flips = stored("flips-data");
if (flips) {
  const pixels = reader(flips.pictures);
  const every = -1;

  let choice = 0;
  const show = async () => {
    const mine = (choice += 1);
    const model = Number(element("flip-model")?.value ?? every);
    const setting = Number(element("flip-setting").value);
    const isChosen = (itsModel, itsSetting) =>
      (model === every || model === itsModel) && (setting === every || setting === itsSetting);
    const keys = new Set();
    const canvases = [];
    let shown = 0;
    for (const card of element("flips-view").children) {
      const { key } = card.dataset;
      const isRepeated = setting === every && keys.has(key);
      card.hidden = isRepeated || !isChosen(Number(card.dataset.model), Number(card.dataset.setting));
      if (card.hidden) continue;
      keys.add(key);
      shown += 1;
      canvases.push(...card.querySelectorAll("canvas"));
    }
    const counts = flips.counts.filter(([itsModel, itsSetting]) => isChosen(itsModel, itsSetting));
    const all = counts.reduce((sum, [, , count]) => sum + count, 0);
    element("flips-text").textContent = `Shown: ${shown} of ${all} flips.`;
    for (const canvas of canvases) {
      const { picture, other, factor } = canvas.dataset;
      const image = await pixels(picture);
      draw(canvas, other ? difference(image, await pixels(other), Number(factor)) : image);
    }
    if (mine === choice) element("flips-view").dataset.shown = `${model} ${setting}`;
  };

  for (const id of ["flip-model", "flip-setting"]) element(id)?.addEventListener("change", show);
  show();
}

// Gallery.
const gallery = stored("gallery-data");
if (gallery) {
  const pixels = reader(gallery.pictures);

  const paint = (id, image, label) => {
    draw(element(id), image);
    element(id).setAttribute("aria-label", label);
  };

  // Inflating pictures takes time, so that an earlier choice may be ready after the last one: it is not
  // drawn.
  let choice = 0;
  const show = async () => {
    const mine = (choice += 1);
    const sample = gallery.samples[element("sample").value];
    const [first, second] = ["first", "second"].map((id) => Number(element(id).value));
    const factor = Number(element("factor").value);
    const [a, b] = await Promise.all([first, second].map((each) => pixels(sample.pictures[each])));
    if (mine !== choice) return;
    const [one, other] = [gallery.variants[first], gallery.variants[second]];
    paint("first-picture", a, `${sample.key} in ${one}`);
    paint("second-picture", b, `${sample.key} in ${other}`);
    element("first-caption").textContent = one;
    element("second-caption").textContent = other;
    element("gallery-view").dataset.shown = `${sample.key} ${first} ${second} ${factor}`;
    const isComparable = sample.sizes[first] === sample.sizes[second];
    for (const id of ["difference-figure", "histogram-figure", "counts"]) {
      element(id).hidden = !isComparable;
    }
    if (!isComparable) {
      element("difference-text").textContent =
        `${sample.key} has ${sample.sizes[first]} pixels in the first variant and ` +
        `${sample.sizes[second]} in the second: there is no difference to show.`;
      return;
    }
    const counts = [0, 1, 2].map(() => new Array(256).fill(0));
    let [sum, maximum] = [0, 0];
    for (let index = 0; index < a.data.length; index += 4) {
      for (let channel = 0; channel < 3; channel += 1) {
        const value = Math.abs(a.data[index + channel] - b.data[index + channel]);
        counts[channel][value] += 1;
        sum += value;
        maximum = Math.max(maximum, value);
      }
    }
    const label = `Difference times ${factor} of ${one} and ${other}`;
    paint("difference-picture", difference(a, b, factor), label);
    element("difference-caption").textContent = `difference × ${factor}`;
    const mean = (sum / (a.width * a.height * 3)).toFixed(4);
    element("difference-text").textContent =
      `${sample.key}, ${sample.title}, middle ${a.width} × ${a.height} pixels: ` +
      `mean difference ${mean}, largest ${maximum}.`;
    drawHistogram(element("histogram"), counts, maximum);
    fillCounts(element("counts").querySelector("tbody"), counts, maximum);
  };

  for (const id of ["sample", "first", "second", "factor"]) {
    element(id).addEventListener("change", show);
  }
  show();
}

// Fills the table of the histogram, one row per difference.
function fillCounts(body, counts, maximum) {
  const rows = [];
  for (let value = 0; value <= maximum; value += 1) {
    const row = document.createElement("tr");
    const heading = document.createElement("th");
    heading.scope = "row";
    heading.textContent = value;
    row.append(heading);
    for (const channel of counts) row.insertCell().textContent = channel[value];
    rows.push(row);
  }
  body.replaceChildren(...rows);
}

// Draws counts on a logarithmic scale, a group of three bars per difference.
function drawHistogram(svg, counts, maximum) {
  const [width, height] = [Math.max(280, svg.clientWidth), 240];
  const draw = (name, attributes, text = "") => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    shape.textContent = text;
    svg.append(shape);
  };
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const [left, bottom] = [48, height - 28];
  const last = Math.max(8, maximum);
  const top = Math.log10(1 + Math.max(...counts.flat()));
  const step = (width - left - 8) / (last + 1);
  for (let value = 0; value <= last; value += Math.ceil((last + 1) * 40 / width)) {
    draw("text", { class: "value", x: left + (value + 0.5) * step, y: height - 8 }, value);
  }
  for (let exponent = 0; Math.log10(1 + 10 ** exponent) <= top; exponent += 1) {
    const y = bottom - (Math.log10(1 + 10 ** exponent) / top) * (bottom - 12);
    draw("text", { class: "count", x: left - 6, y: y + 5 }, (10 ** exponent).toLocaleString("en"));
  }
  const bar = Math.max(1, (step - 2) / 3);
  ["red", "green", "blue"].forEach((color, channel) => {
    const bars = counts[channel].slice(0, last + 1).map((count, value) => {
      const size = top ? (Math.log10(1 + count) / top) * (bottom - 12) : 0;
      return `M${left + value * step + channel * bar} ${bottom}v${-size}h${bar}v${size}z`;
    });
    draw("path", { class: color, d: bars.join("") });
  });
}
