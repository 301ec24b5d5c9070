"use strict";

const media = JSON.parse(document.getElementById("media").textContent);

function part(root, role) {
  return root.querySelector(`[data-role="${role}"]`);
}

function build(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function fill(select, names) {
  select.replaceChildren(...names.map((name, index) => new Option(name, index)));
}

// Tables: a click sorts by a column, another one the other way round; "-" comes last.

function sortBy(header) {
  const table = header.closest("table");
  const descends = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", descends ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(a.cells[header.cellIndex], b.cells[header.cellIndex], descends ? -1 : 1));
  table.tBodies[0].append(...rows);
}

function compare(a, b, sign) {
  if (!a.classList.contains("number")) return sign * a.textContent.localeCompare(b.textContent);
  const [first, second] = [a, b].map((cell) => cell.dataset.value);
  if (first === undefined || second === undefined) return (first === undefined) - (second === undefined);
  return sign * (first - second);
}

// Plots: the tooltip follows the pointer to the nearest marker, or the arrow keys.

function explain(figure) {
  const svg = figure.querySelector("svg");
  const tip = figure.querySelector(".tip");
  const markers = [...svg.querySelectorAll(".marker")];
  let chosen = -1;

  function show(index) {
    if (chosen >= 0) markers[chosen].classList.remove("chosen");
    chosen = index;
    tip.hidden = index < 0;
    if (index < 0) return;
    markers[index].classList.add("chosen");
    tip.textContent = markers[index].dataset.tip;
    const [box, frame] = [markers[index], figure].map((element) => element.getBoundingClientRect());
    const left = Math.min(box.left - frame.left + 12, frame.width - tip.offsetWidth);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${box.bottom - frame.top + 6}px`;
  }

  svg.addEventListener("pointermove", (event) => {
    const distances = markers.map((marker) => {
      const box = marker.getBoundingClientRect();
      return Math.hypot((box.left + box.right) / 2 - event.clientX, (box.top + box.bottom) / 2 - event.clientY);
    });
    const nearest = distances.indexOf(Math.min(...distances));
    show(distances[nearest] < 30 ? nearest : -1);
  });
  svg.addEventListener("pointerleave", () => show(-1));
  svg.addEventListener("blur", () => show(-1));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(-1);
    if (!step) return;
    event.preventDefault();
    show((Math.max(chosen, step < 0 ? 0 : -1) + step + markers.length) % markers.length);
  });
}

// Pictures: two images on top of one another, and the same few pixels of both enlarged.

const CROP = 64;

function comparePictures(root) {
  const files = media[root.dataset.kind];
  const [file, codec, stage, original, decoded, split, facts, across, down] =
    ["file", "codec", "stage", "original", "decoded", "split", "facts", "across", "down"].map((role) => part(root, role));

  function enlarge(canvas, image) {
    if (!image.complete || !image.naturalWidth) return;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const side = Math.min(CROP, width, height);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const left = Math.round((width - side) * across.value / 100);
    const top = Math.round((height - side) * down.value / 100);
    context.drawImage(image, left, top, side, side, 0, 0, canvas.width, canvas.height);
  }

  function enlargeBoth() {
    enlarge(part(root, "crop-original"), original);
    enlarge(part(root, "crop-decoded"), decoded);
  }

  function update() {
    const shown = files[file.value];
    const form = shown.codecs[codec.value];
    original.src = shown.uri;
    original.alt = `Original of ${shown.name}`;
    decoded.src = form.uri;
    decoded.alt = `${shown.name} by ${form.name}`;
    facts.textContent = `${form.name}: ${form.facts}`;
  }

  function divide() {
    stage.style.setProperty("--split", `${split.value}%`);
  }

  fill(file, files.map((shown) => shown.name));
  fill(codec, files[0].codecs.map((form) => form.name));
  for (const select of [file, codec]) select.addEventListener("change", update);
  for (const image of [original, decoded]) {
    image.draggable = false;
    image.addEventListener("load", enlargeBoth);
  }
  for (const range of [across, down]) range.addEventListener("input", enlargeBoth);
  split.addEventListener("input", divide);
  stage.addEventListener("pointermove", (event) => {
    const box = stage.getBoundingClientRect();
    across.value = 100 * (event.clientX - box.left) / box.width;
    down.value = 100 * (event.clientY - box.top) / box.height;
    if (event.buttons & 1) split.value = across.value;
    divide();
    enlargeBoth();
  });
  update();
}

// Sounds: a player and a spectrogram for the original and every codec; one plays at a time.

function player(label, uri) {
  const audio = build("audio", { controls: true, preload: "metadata", src: uri });
  audio.setAttribute("aria-label", label);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  return audio;
}

function listSounds(root) {
  const files = media[root.dataset.kind];
  const [file, players, axes] = ["file", "players", "axes"].map((role) => part(root, role));

  function figureOf(name, facts, form) {
    const alt = `Spectrogram of ${name}`;
    const caption = build("figcaption", { textContent: facts ? `${name}: ${facts}` : name });
    const image = build("img", { src: form.spectrogram, alt });
    const figure = build("figure", {}, caption, player(name, form.uri), image);
    if (form.attack) figure.append(build("img", { src: form.attack, alt: `${alt} around an attack` }));
    return figure;
  }

  function update() {
    const shown = files[file.value];
    const figures = shown.codecs.map((form) => figureOf(form.name, form.facts, form));
    players.replaceChildren(figureOf("Original", "", shown), ...figures);
    axes.textContent = `Spectrograms: ${shown.axes}.`;
  }

  fill(file, files.map((shown) => shown.name));
  file.addEventListener("change", update);
  update();
}

// The blind test: two forms of a random file in random order, and how often which was preferred.

function testBlindly(root) {
  const kind = root.dataset.kind;
  const files = media[kind];
  const names = files[0].codecs.map((form) => form.name);
  const pairs = [...names.slice(1), "the original"].map((name) => [names[0], name]);
  const [pair, trial, verdict, tally] = ["pair", "trial", "verdict", "tally"].map((role) => part(root, role));
  let counts, order, file;

  function present(label, uri) {
    const alt = `${label}, blind test`;
    const shown = kind === "image" ? build("img", { src: uri, alt }) : player(alt, uri);
    return build("figure", {}, build("figcaption", { textContent: label }), shown);
  }

  function next() {
    file = files[Math.floor(Math.random() * files.length)];
    order = Math.random() < 0.5 ? [0, 1] : [1, 0];
    const forms = [file.codecs[0], file.codecs[Number(pair.value) + 1] ?? file];
    const [a, b] = order.map((index) => forms[index].uri);
    trial.replaceChildren(present("Original", file.uri), present("A", a), present("B", b));
  }

  function count() {
    const [first, second] = pairs[pair.value];
    tally.textContent = `${first} ${counts[0]}, ${second} ${counts[1]}, no difference ${counts[2]}.`;
  }

  function restart() {
    counts = [0, 0, 0];
    verdict.textContent = "";
    count();
    next();
  }

  function choose(choice) {
    const both = pairs[pair.value];
    counts[choice === 2 ? 2 : order[choice]] += 1;
    verdict.textContent = `${file.name}: A was ${both[order[0]]}, B was ${both[order[1]]}.`;
    count();
    next();
  }

  fill(pair, pairs.map((both) => both.join(" and ")));
  pair.addEventListener("change", restart);
  part(root, "restart").addEventListener("click", restart);
  for (const button of root.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => choose(Number(button.dataset.choice)));
  }
  restart();
}

const viewers = { pictures: comparePictures, sounds: listSounds, blind: testBlindly };
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
document.querySelectorAll(".plot").forEach(explain);
for (const root of document.querySelectorAll("[data-viewer]")) viewers[root.dataset.viewer](root);
document.documentElement.dataset.ready = "yes";
