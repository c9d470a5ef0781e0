/** Requests as shell commands. */

/** One curl command per URL; an API key is referenced as a variable, so that it is not copied along. */
export function curlCommands(urls, fileName, withKey) {
  const key = withKey ? `-H "Authorization: Bearer $API_KEY" ` : "";
  return urls.map((url) => `curl ${key}-F ${quote(`file=@${quoteName(fileName)}`)} ${quote(url.href)}`).join("\n");
}

const quote = (text) => (/^[\w@=./:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);

/** curl interprets `;` and `,` in a file name, unless the name is quoted. */
const quoteName = (name) => (/[;,"\\]/.test(name) ? `"${name.replace(/["\\]/g, String.raw`\$&`)}"` : name);
