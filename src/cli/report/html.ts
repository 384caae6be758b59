/** HTML whose text can't become markup: what is put into a template is escaped, unless a template made it. */
import { escapeForDisplay } from "../../text/escape.ts";

export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | undefined | readonly Part[];

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((text, at) => text + markup(parts[at])).join(""));
}

function markup(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  if (typeof part === "object") return part.map(markup).join("");
  return escapeHtml(String(part));
}

/** For text and for attributes in double quotes. What would move a reader's cursor or turn the line is shown as its code. */
export function escapeHtml(text: string): string {
  return escapeForDisplay(text)
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** JSON that can stand in a script element, whatever it holds: no tag, no comment, no line end of scripts begins in it. */
export function scriptJson(value: unknown): Html {
  const text = JSON.stringify(value);
  return new Html(
    text.replace(/[<>&\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}
