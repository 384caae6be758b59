/** Kind and permission bits as `ls -l` shows them: `-rw-r--r--`, `drwxrwxrwt` (POSIX, ls, "long format"). */

const KINDS = { file: "-", folder: "d", link: "l", other: "?" } as const;

/** `mode` without the type bits, null where it is not known. */
export function formatMode(kind: keyof typeof KINDS, mode: number | null): string {
  if (mode === null) return `${KINDS[kind]}?????????`;
  const bits = [6, 3, 0].map((shift) => {
    const three = (mode >> shift) & 7;
    // setuid, setgid, sticky: in the place of the x
    const special = (mode >> (9 + shift / 3)) & 1;
    const letter = shift === 0 ? "t" : "s";
    const last =
      special === 1 ? ((three & 1) === 1 ? letter : letter.toUpperCase()) : (three & 1) === 1 ? "x" : "-";
    return `${(three & 4) === 4 ? "r" : "-"}${(three & 2) === 2 ? "w" : "-"}${last}`;
  });
  return `${KINDS[kind]}${bits.join("")}`;
}
