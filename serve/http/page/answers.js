/** A model's answer for an image: its classes and, once they are needed, its maps. */

import { OcclusionMap } from "./answer/occlusion.js";
import { MAX_CLASSES, SemanticMap } from "./answer/map.js";
import { SHOWN } from "./answer/nearest.js";
import { endpoint, postImage } from "./api.js";

export class Answer {
  constructor(file, model, response, url) {
    this.file = file;
    this.model = model;
    this.classes = response.results[0].classes;
    this.size = response.results[0].image;
    const { queue_ms: queue, compute_ms: compute } = response.timing;
    /** Time in the queue and to compute, in milliseconds. */
    this.milliseconds = queue + compute;
    this.urls = [url];
    /** Responses by endpoint. */
    this.json = { classify: response };
    /** @type {SemanticMap | null} */
    this.map = null;
    /** @type {{name: string, label: string | null, cosine: number, thumbnail: string}[] | null} */
    this.nearest = null;
    /** @type {Map<number, OcclusionMap>} occlusion maps by the index of the explained class. */
    this.occlusion = new Map();
  }

  /** Classify an image. */
  static async ask(file, model, options) {
    const url = endpoint("classify", { model: model.name });
    return new Answer(file, model, await postImage(url, file, options), url);
  }

  get best() {
    return this.classes[0];
  }

  /** Request the semantic map, once. */
  async describe(options) {
    if (this.map) return;
    const response = await this.request("patch-semantics", { top_k: Math.min(this.model.classes.length, MAX_CLASSES) }, options);
    this.map = new SemanticMap(response.results[0], this.model);
  }

  /** Request the nearest images of the server's index, once, if it is of this model. */
  async search(options) {
    if (this.nearest || !this.model.indexed) return;
    const k = Math.min(this.model.indexed, SHOWN);
    this.nearest = (await this.request("search", { k, thumbnails: true }, options)).results[0].nearest;
  }

  /** Request the occlusion map of a class, once. */
  async explain(index, options) {
    if (this.occlusion.has(index)) return;
    const response = await this.request("occlusion", { label: this.model.classes[index] }, options);
    this.occlusion.set(index, new OcclusionMap(response.results[0]));
  }

  async request(path, parameters, options) {
    const url = endpoint(path, { model: this.model.name, ...parameters });
    const response = await postImage(url, this.file, options);
    this.urls.push(url);
    this.json[path] = response;
    return response;
  }
}
