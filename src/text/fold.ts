/** Words in lines. */

/** Lines of at most `width` characters, broken at blanks; a word that is longer stays whole. */
export function fold(text: string, width: number): string[] {
  const folded: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line === "" && folded.length === 0) line = word;
    else if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      folded.push(line);
      line = word;
    }
  }
  return [...folded, line];
}
