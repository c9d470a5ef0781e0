/** Main module: sends an image to one or two models and shows their results. */

import { apiKey, endpoint, postImage, ServerError } from "./api.js";
import { fillBars, rowsOf } from "./bars.js";
import { curlCommands } from "./curl.js";
import { byId, element, percent } from "./dom.js";
import { fillLegend, markLegend } from "./legend.js";
import { MAX_CLASSES, rangeOf, SemanticMap } from "./map.js";
import { Models } from "./models.js";
import { Pane } from "./pane.js";
import { decode } from "./photo.js";
import { onImage } from "./images.js";
import { Views } from "./views.js";

let image = null;
let answers = [];
let panes = [];
let running = null;
const models = new Models(() => image && attempt(ask));
const views = new Views(paint);

/** Run one task at a time; a new one aborts the previous one. */
async function attempt(work) {
  running?.abort();
  const own = new AbortController();
  running = own;
  say("");
  byId("error").hidden = true;
  byId("key-form").hidden = true;
  byId("answer").ariaBusy = "true";
  try {
    await work(own.signal);
  } catch (error) {
    if (!own.signal.aborted) showError(error);
  } finally {
    own.abort(); // requests still running after a failure
    if (running === own) byId("answer").ariaBusy = "false";
  }
}

async function take(given, signal) {
  const file = await given;
  if (signal.aborted) return;
  image = { file };
  await ask(signal);
}

async function ask(signal) {
  await models.load();
  const { file } = image;
  say(`Classifying ${file.name}…`);
  const onWait = (seconds) => say(`Server busy; retrying in ${Math.ceil(seconds)} s…`);
  const received = await Promise.all(models.chosen.map((model) => askModel(model, file, { signal, onWait })));
  image.photo = await decode(file);
  if (signal.aborted) return;
  if (!image.photo) throw new Error("The server decoded this image, but this browser cannot display it.");
  answers = received;
  show();
}

async function askModel(model, file, options) {
  const parameters = { model: model.name };
  const urls = [
    endpoint("classify", parameters),
    endpoint("patch-semantics", { ...parameters, top_k: Math.min(model.classes.length, MAX_CLASSES) }),
  ];
  const [classify, semantics] = await Promise.all(urls.map((url) => postImage(url, file, options)));
  const map = new SemanticMap(semantics.results[0], model);
  return { model, urls, map, classes: classify.results[0].classes, json: { classify, "patch-semantics": semantics } };
}

function show() {
  const [{ model }] = answers;
  byId("source").classList.remove("empty");
  byId("answer").hidden = false;
  panes = answers.map((answer) => new Pane(image, answer, point));
  byId("panes").replaceChildren(...panes.map((pane) => pane.element));
  byId("whole").replaceChildren(...answers.flatMap(wholeImage));
  const urls = answers.flatMap((answer) => answer.urls);
  byId("commands").textContent = curlCommands(urls, image.file.name, apiKey.get() !== null);
  views.offer(model, answers.map(({ map }) => map), answers[0].classes[0].label);
  fillLegend(answers, (index) => views.toggle(index));
  paint();
  say(answers.map(({ model, classes: [best] }) => `${model.name}: ${best.label}, ${percent(best.probability)}`).join("; "));
}

function wholeImage({ model, classes }) {
  const list = element("ol", { className: "bars" });
  list.ariaLabel = model.name;
  fillBars(list, rowsOf(classes, model));
  return answers.length > 1 ? [element("h3", {}, model.name), list] : [list];
}

function paint() {
  const { view } = views;
  const maps = answers.map(({ map }) => map);
  const range = rangeOf(view, maps);
  for (const pane of panes) pane.paint(view, range);
  views.showScale(answers[0].model, maps, range);
  markLegend(view.index);
}

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

function say(words) {
  byId("status").textContent = words;
}

function showError(error) {
  say("");
  byId("answer").hidden = true; // it belongs to another image or model
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  if (error instanceof ServerError && error.status === 401) {
    byId("key-form").hidden = false;
    byId("key").focus();
  }
}

onImage((given) => attempt((signal) => take(given, signal)));
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  apiKey.set(byId("key").value);
  attempt(image ? ask : () => models.load());
});
byId("copy").addEventListener("click", copy);
attempt(() => models.load());
