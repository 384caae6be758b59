/**
 * Makes text of a peer (names, errors, banners) safe to print on one line of a terminal.
 *
 * Each character that could move the cursor, start a sequence, break the line or turn the writing direction is shown as
 * its code: \x1b, \u202e. Text that has none of them, and nothing that looks like such a code, stays as it is, so that
 * C:\temp reads as always. In any other text each backslash is doubled. So no two texts look the same: what holds \xHH or
 * \uHHHH has been escaped, and what doesn't has not.
 */

/** C0, DEL, C1; bidi marks, embeddings, overrides and isolates; line and paragraph separator; lone surrogates. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const HOSTILE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\p{Surrogate}]/u;
const LOOKS_ESCAPED = /\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})/;
const HOSTILE_OR_BACKSLASH = new RegExp(`${HOSTILE.source}|\\\\`, "gu");

export function escapeForDisplay(text: string): string {
  if (!HOSTILE.test(text) && !LOOKS_ESCAPED.test(text)) return text;
  return text.replace(HOSTILE_OR_BACKSLASH, (character) => {
    if (character === "\\") return "\\\\";
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** Bytes that are no UTF-8, so in no known charset: each that is not printable ASCII is shown as its code. */
export function escapeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    if (byte === 0x5c) return "\\\\";
    if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return `\\x${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}
