/** Which models are asked. */

import { getModels } from "./api.js";
import { byId, setOptions } from "./dom.js";

const NOT_COMPARED = "";
const CAM = "class activation map";

export class Models {
  /** @param {() => void} onChange others are asked from now on. */
  constructor(onChange) {
    this.served = [];
    this.model = byId("model");
    this.compare = byId("compare");
    this.model.addEventListener("change", () => {
      this.offerComparison();
      onChange();
    });
    this.compare.addEventListener("change", onChange);
  }

  /** Ask the server, unless it has answered before. */
  async load() {
    if (this.served.length) return;
    this.served = await getModels();
    setOptions(this.model, this.served.map(({ name }) => [name, name]), this.served[0].name);
    this.offerComparison();
  }

  /** The model, and the one that it is compared with if any. */
  get chosen() {
    const names = [this.model.value, this.compare.value];
    return names.filter((name) => name !== NOT_COMPARED).map((name) => this.served.find((model) => model.name === name));
  }

  /** Models of the same classes can be compared; a plain one is from the start, unless the model is one itself. */
  offerComparison() {
    const model = this.served.find(({ name }) => name === this.model.value);
    const others = this.served.filter((other) => other !== model && String(other.classes) === String(model.classes));
    const plain = model.patch_source === CAM ? undefined : others.find((other) => other.patch_source === CAM);
    const options = [[NOT_COMPARED, "nothing"], ...others.map(({ name }) => [name, name])];
    setOptions(this.compare, options, plain?.name ?? NOT_COMPARED);
    byId("compare-field").hidden = others.length === 0;
  }
}
