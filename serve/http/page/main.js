/** Main module: asks one or two models about images, and shows their answers. */

import { curlCommands } from "./answer/curl.js";
import { headline } from "./answer/headline.js";
import { fillLegend, markLegend } from "./answer/legend.js";
import { rangeOf } from "./answer/map.js";
import { showNearest } from "./answer/nearest.js";
import { Pane } from "./answer/pane.js";
import { blank, decode } from "./answer/photo.js";
import { Views } from "./answer/views.js";
import { Answer } from "./answers.js";
import { apiKey } from "./api.js";
import { byId, percent } from "./dom.js";
import { onImages } from "./images.js";
import { KeyForm } from "./key.js";
import { Models } from "./models.js";
import { Table, thumbnailOf } from "./table.js";
import { forEach, Task } from "./task.js";

/** Images that are classified at once. */
const AT_ONCE = 4;
const BLANK_PIXELS = 1_000_000;

/** @type {{name: string, file: File, answers: Answer[] | null, error: Error | null}[]} */
let images = [];
/** Answers that are shown, one per model, and their panes. */
let answers = [];
let panes = [];
/** Image whose answers are shown. */
let current = null;

const asking = new Task(showError, byId("images"));
const showing = new Task(showError, byId("answer"));
const painting = new Task(showOtherView, byId("panes"));
const models = new Models(() => images.length && asking.run(ask));
const views = new Views(() => painting.run(paint));
const key = new KeyForm(() => asking.run(images.length ? ask : start));
const table = new Table((image) => showing.run((signal) => select(image, signal)));

async function start() {
  clear();
  await models.load();
  key.hide();
}

async function take(given, signal) {
  const files = await given;
  if (signal.aborted || !files.length) return;
  images = files.map((file) => ({ name: file.name, file }));
  await ask(signal);
}

/** Classify all images; show the first answer as soon as it is there. */
async function ask(signal) {
  showing.abort();
  painting.abort();
  await start();
  if (signal.aborted) return;
  const several = images.length > 1;
  byId("answer").ariaBusy = "true";
  say(`Classifying ${several ? `${images.length} images` : images[0].name}…`);
  for (const image of images) Object.assign(image, { answers: null, error: null });
  table.offer(images, models.chosen);
  const wanted = images.includes(current) ? [current, ...images] : images;
  let shown = null;
  await forEach(images, AT_ONCE, async (image) => {
    await classify(image, signal);
    if (signal.aborted) return;
    table.update(image);
    const first = wanted.find(({ error }) => !error);
    if (first?.answers) shown ??= showing.run((own) => show(first, own));
  });
  if (!shown) byId("answer").hidden = true; // it belongs to other images
  const failed = images.filter(({ error }) => error);
  if (!several && failed.length) throw failed[0].error;
  if (shown && !(await shown)) return;
  say(several ? `${images.length - failed.length} of ${images.length} images classified.` : summaryOf(images[0]), true);
}

/** Set the answers of an image, or its error; that a key is missing concerns all images. */
async function classify(image, signal) {
  try {
    const options = { signal, onWait };
    const [photo, ...found] = await Promise.all([
      images.length > 1 && !image.thumbnail ? decode(image.file) : null,
      ...models.chosen.map((model) => Answer.ask(image.file, model, options)),
    ]);
    image.answers = found;
    if (photo) image.thumbnail = thumbnailOf(photo);
    photo?.close();
  } catch (error) {
    if (signal.aborted || error.status === 401) throw error;
    image.error = error;
  }
}

/** Show an image that the user chose. */
async function select(image, signal) {
  clear();
  await show(image, signal);
  if (signal.aborted) return;
  say(`${image.name}: ${summaryOf(image)}`, true);
  byId("whole").scrollIntoView({ block: "nearest" });
}

async function show(image, signal) {
  const options = { signal, onWait };
  const [photo] = await Promise.all([
    decode(image.file),
    ...image.answers.flatMap((answer) => [answer.describe(options), answer.search(options)]),
  ]);
  if (signal.aborted) return;
  [current, answers] = [image, image.answers];
  const shown = { name: image.name, photo: photo ?? blank(answers[0].size, BLANK_PIXELS) };
  byId("source").classList.remove("empty");
  byId("answer").hidden = false;
  byId("blank").hidden = photo !== null;
  byId("whole").replaceChildren(...answers.map((answer) => headline(image.name, answer)));
  panes = answers.map((answer) => new Pane(shown, answer, point));
  byId("panes").replaceChildren(...panes.map((pane) => pane.element));
  views.offer(answers[0].model, answers.map(({ map }) => map), answers[0].best.label);
  showNearest(answers.find(({ nearest }) => nearest));
  fillLegend(answers, (index) => views.toggle(index));
  table.mark(image);
  await painting.run(paint);
}

async function paint(signal) {
  const { view } = views;
  if (view.kind === "why" && !answers.every(({ occlusion }) => occlusion.has(view.index))) {
    say("Covering each part of the image in turn…");
    await Promise.all(answers.map((answer) => answer.explain(view.index, { signal, onWait })));
    if (signal.aborted) return;
    say("");
  }
  const maps = answers.map(({ map, occlusion }) => (view.kind === "why" ? occlusion.get(view.index) : map));
  const range = rangeOf(view, maps);
  panes.forEach((pane, index) => pane.paint(maps[index], view, range));
  byId("panes").classList.toggle("grey", view.kind === "why");
  views.showScale(answers[0].model, maps, range);
  markLegend(view.index);
  const urls = answers.flatMap((answer) => answer.urls);
  byId("commands").textContent = curlCommands(urls, answers[0].file.name, apiKey.get() !== null);
}

/** Show the best classes in place of a view that cannot be shown, and say why. */
function showOtherView(error) {
  if (error.status === 401) return showError(error);
  views.check("best");
  painting.run(paint);
  showMessage(error);
}

const summaryOf = (image) =>
  image.answers.map(({ model, best }) => `${model.name}: ${best.label}, ${percent(best.probability)}`).join("; ");

function point(place) {
  for (const pane of panes) pane.point(place);
}

async function copy() {
  const commands = byId("commands");
  getSelection().selectAllChildren(commands);
  try {
    // Only available over https:// and on localhost.
    await navigator.clipboard.writeText(commands.textContent);
    say("Copied.");
  } catch {
    say("Selected; copy with the keyboard.");
  }
}

const onWait = (seconds) => say(`Server busy; retrying in ${Math.ceil(seconds)} s…`);

/** Announce what happens, to screen readers only if it is also `written` elsewhere on the page. */
function say(words, written = false) {
  byId("status").textContent = words;
  byId("status").classList.toggle("written", written);
}

function clear() {
  say("");
  byId("error").hidden = true;
}

function showError(error) {
  byId("answer").hidden = true; // it belongs to another image or model
  if (error.status === 401 && !key.ask()) clear();
  else showMessage(error);
}

function showMessage(error) {
  say("");
  byId("error").textContent = error.message;
  byId("error").hidden = false;
}

onImages((given) => asking.run((signal) => take(given, signal)));
byId("copy").addEventListener("click", copy);
asking.run(start);
