/** Model selection. */

import { getModels } from "./api.js";
import { byId, setOptions } from "./dom.js";
import { offerSamples } from "./samples.js";

const NOT_COMPARED = "";
const CAM = "class activation map";

export class Models {
  /** @param {() => void} onChange called when the user changes the selection. */
  constructor(onChange) {
    this.served = [];
    this.model = byId("model");
    this.compare = byId("compare");
    this.model.addEventListener("change", () => {
      this.offerMore();
      onChange();
    });
    this.compare.addEventListener("change", onChange);
  }

  /** Fetch the models from the server, once. */
  async load() {
    if (this.served.length) return;
    this.served = await getModels();
    setOptions(this.model, this.served.map(({ name }) => [name, name]), this.served[0].name);
    this.offerMore();
  }

  /** The selected model, and the one to compare it with, if any. */
  get chosen() {
    const names = [this.model.value, this.compare.value];
    return names.filter((name) => name !== NOT_COMPARED).map((name) => this.served.find((model) => model.name === name));
  }

  /**
   * Offer the samples that suit the model and, for comparison, models with the same classes; preselect a baseline unless
   * the model is one itself.
   */
  offerMore() {
    const model = this.served.find(({ name }) => name === this.model.value);
    const others = this.served.filter((other) => other !== model && String(other.classes) === String(model.classes));
    const plain = model.patch_source === CAM ? undefined : others.find((other) => other.patch_source === CAM);
    offerSamples(model);
    const options = [[NOT_COMPARED, "no other model"], ...others.map(({ name }) => [name, name])];
    setOptions(this.compare, options, plain?.name ?? NOT_COMPARED);
    byId("compare-field").hidden = others.length === 0;
  }
}
