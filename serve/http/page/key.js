/** Form for the API key of a server that requires one. */

import { apiKey } from "./api.js";
import { byId } from "./dom.js";

export class KeyForm {
  /** @param {() => void} onKey called when a key was entered. */
  constructor(onKey) {
    this.form = byId("key-form");
    this.input = byId("key");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      apiKey.set(this.input.value);
      onKey();
    });
  }

  /** Ask for a key, instead of images; returns whether one was sent, which is then forgotten. */
  ask() {
    const refused = apiKey.get() !== null;
    apiKey.forget();
    this.show(true);
    this.input.ariaInvalid = String(refused);
    this.input.select();
    return refused;
  }

  hide() {
    this.show(false);
    this.input.value = "";
  }

  show(needed) {
    this.form.hidden = !needed;
    byId("source").hidden = needed;
  }
}
