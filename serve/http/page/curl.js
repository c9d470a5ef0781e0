/** Requests as commands of a shell. */

/** One curl command a URL; the key stands in a variable, so that it is not copied about. */
export function curlCommands(urls, fileName, withKey) {
  const key = withKey ? `-H "Authorization: Bearer $API_KEY" ` : "";
  return urls.map((url) => `curl ${key}-F ${quote(`file=@${quoteName(fileName)}`)} ${quote(url.href)}`).join("\n");
}

const quote = (text) => (/^[\w@=./:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);

/** curl reads `;` and `,` in a file's name as its own, unless the name stands in quotes. */
const quoteName = (name) => (/[;,"\\]/.test(name) ? `"${name.replace(/["\\]/g, String.raw`\$&`)}"` : name);
