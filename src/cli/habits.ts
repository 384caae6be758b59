/** What people type who know scp, rsync and croc, and what it is here. Only hints: nothing here is understood. */

const ALL_GO_WHOLE = "folders go whole, with their modes and times: no flag is needed";

const FILE_FLAGS: Readonly<Record<string, string>> = {
  "-r": ALL_GO_WHOLE,
  "-R": ALL_GO_WHOLE,
  "-a": ALL_GO_WHOLE,
  "-p": ALL_GO_WHOLE,
  "-t": ALL_GO_WHOLE,
  "--recursive": ALL_GO_WHOLE,
  "--archive": ALL_GO_WHOLE,
  "-n": "--dry-run",
  "-c": "--checksum",
  "-C": "--compress",
  "-z": "--compress",
  "-l": "--bwlimit",
  "-P": "the port is in the join code; a transfer that was cut goes on by itself",
  "-i": "the key came by sock join; sock hosts lists what is joined",
  "-f": "what is there is replaced anyway; --on-exists says otherwise",
  "--force": "what is there is replaced anyway; --on-exists says otherwise",
  "--progress": "it is shown on a terminal",
  "--partial": "a transfer that was cut goes on by itself",
  "--delete": "sock never deletes; put --atomic has a folder take the place of another",
  "--include": "--exclude '!PATTERN' takes back",
};

const FLAGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  put: FILE_FLAGS,
  get: FILE_FLAGS,
  ls: { "-a": "all names are shown", "-A": "all names are shown", "-r": "-R" },
  serve: { "-p": "--listen 0.0.0.0:PORT", "--port": "--listen 0.0.0.0:PORT", "--bind": "--listen" },
};

const COPY = "sock put FILE HOST:[PATH], or sock get HOST:PATH [DEST]";
const SEND = "sock put FILE HOST:[PATH]";
const FETCH = "sock get HOST:PATH [DEST]";
const NEVER = "sock puts, gets and lists; it renames and deletes nothing";

const COMMANDS: Readonly<Record<string, string>> = {
  cp: COPY,
  scp: COPY,
  copy: COPY,
  rsync: COPY,
  sync: COPY,
  sftp: COPY,
  send: SEND,
  push: SEND,
  upload: SEND,
  receive: FETCH,
  recv: FETCH,
  fetch: FETCH,
  pull: FETCH,
  download: FETCH,
  cat: "sock get HOST:PATH -",
  dir: "sock ls HOST:[PATH]",
  list: "sock ls HOST:[PATH]",
  mkdir: "put makes the folders that are missing",
  rm: NEVER,
  mv: NEVER,
  ping: "sock echo HOST",
  login: "sock join, with the code that sock invite printed",
  connect: "sock join, with the code that sock invite printed",
  server: "sock serve",
  start: "sock serve",
  version: "sock --version",
};

/** What a flag of another tool would be for this command. */
export function flagHabit(command: string, flag: string): string | undefined {
  return own(own(FLAGS, command) ?? {}, flag);
}

/**
 * What a `--quiet` with a time means, which is the name of `--quiet-for` elsewhere. Behind it a word alone may be one to
 * send: only with a plain peer, the one that has such times, it is taken for a time.
 */
export function quietHabit(raw: readonly string[], index: number): string | undefined {
  const [flag = "", attached] = (raw[index] ?? "").split("=", 2);
  if (flag !== "--quiet" && flag !== "-q") return undefined;
  const isPlain = raw.some((word) => /^(tcp|udp):\/\/|^unix:/i.test(word));
  const time = attached ?? (isPlain ? raw[index + 1] : undefined);
  if (time === undefined || !/^\d+(\.\d+)?(us|ms|s|m)?$/.test(time)) return undefined;
  return `--quiet-for ${time}: an answer is over when nothing has come for so long`;
}

/** The command that does what another tool calls so. */
export function commandHabit(name: string): string | undefined {
  return own(COMMANDS, name);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
