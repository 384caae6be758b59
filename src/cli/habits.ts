/** What people type who know scp, rsync, ssh, irtt, iperf3 and nc, and what it is here. Only hints: nothing here is understood. */

const ALL_GO_WHOLE = "folders go whole, with their modes and times: no flag is needed";
const GOES_ON = "a transfer that was cut goes on by itself";

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
  "--partial": GOES_ON,
  "--resume": GOES_ON,
  "--continue": GOES_ON,
  "--delete": "sock never deletes; put --atomic has a folder take the place of another",
  "--include": "--exclude '!PATTERN' takes back",
};

const FORWARDS = "sock forwards no ports";
const COUNT = "--count N";
const RATE = "--rate N, datagrams a second, and --size BYTES of each";
const PORT_IN_CODE = "the port is in the join code; sock hosts set HOST address=HOST:PORT corrects it";
const WORDS = "a command follows --: sock shell HOST -- CMD ARG...";

/** Of ping, irtt and iperf3. */
const MEASURING_FLAGS: Readonly<Record<string, string>> = {
  "-c": `${COUNT}; HOST stands alone`,
  "-n": COUNT,
  "-p": PORT_IN_CODE,
  "--port": PORT_IN_CODE,
  "-s": "--size BYTES",
  "-l": "--size BYTES",
  "--length": "--size BYTES",
  "-w": "--timeout DUR",
  "-W": "--timeout DUR",
};

const LASTS: Readonly<Record<string, string>> = {
  "-d": "--duration 10s",
  "-t": "--duration 10s",
  "--time": "--duration 10s",
};

const FLAGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  put: FILE_FLAGS,
  get: {
    ...FILE_FLAGS,
    "-o": "where to comes last: sock get HOST:PATH DEST",
    "-O": "where to comes last: sock get HOST:PATH DEST",
    "--output": "where to comes last: sock get HOST:PATH DEST",
  },
  udp: {
    ...MEASURING_FLAGS,
    ...LASTS,
    "-b": RATE,
    "--bandwidth": RATE,
    "--bitrate": RATE,
    "--loss": "--max-loss N%",
    "--trace": "--samples FILE has what became of each datagram",
    "-u": "it is UDP; sock echo measures over TCP",
    "-o": "--samples FILE, --report FILE or --junit FILE; --json for the figures",
    "-w": "--wait DUR",
    "-W": "--wait DUR",
    "--conns": "sock echo has connections",
    "--min-rate": "sock echo has --min-rate, here it is --min-sent",
  },
  echo: {
    ...MEASURING_FLAGS,
    "-P": "--conns C",
    "--parallel": "--conns C",
    "-u": "sock udp HOST",
    ...LASTS,
    "-o": "--report FILE or --junit FILE; --json for the figures",
    "--wait": "nothing is lost over TCP: a reply is waited for, and --timeout DUR ends the run",
    "--max-loss": "sock udp measures losses",
    "--min-sent": "sock udp has --min-sent, here it is --min-rate",
    "--samples": "sock udp writes them; here --report FILE has a plot",
  },
  shell: {
    "-t": "sock shell HOST is a terminal",
    "-T": WORDS,
    "-p": PORT_IN_CODE,
    "-i": "the key came by sock join; sock hosts lists what is joined",
    "-L": FORWARDS,
    "-R": FORWARDS,
    "-D": FORWARDS,
    "-l": WORDS,
    "-a": WORDS,
  },
  open: { "-b": "sock open HOST < FILE", "-f": "sock open HOST < FILE", "-e": "-c LINE" },
  chat: { "-l": "--listen tcp://127.0.0.1:PORT", "--nick": "--name NAME" },
  plain: {
    "-l": "sock plain echo=tcp://127.0.0.1:PORT",
    "-p": "sock plain echo=tcp://127.0.0.1:PORT",
    "-u": "sock plain echo=udp://127.0.0.1:PORT",
    "-e": "sock plain exec=tcp://127.0.0.1:PORT",
    "-k": "it answers until Ctrl-C",
  },
  ls: {
    "-a": "all names are shown",
    "-A": "all names are shown",
    "-r": "-R",
    "-t": "names are sorted by their bytes; sock ls --json has the times",
    "-S": "names are sorted by their bytes; sock ls --json has the sizes",
    "-1": "it is one a line",
  },
  serve: {
    "-p": "--listen 0.0.0.0:PORT",
    "-l": "--listen 0.0.0.0:PORT",
    "--port": "--listen 0.0.0.0:PORT",
    "--bind": "--listen",
    "--trace":
      "sock plain has it, for peers that speak no sock; here --audit FILE has a line for each request",
  },
};

const COPY = "sock put FILE HOST:[PATH], or sock get HOST:PATH [DEST]";
const SEND = "sock put FILE HOST:[PATH]";
const FETCH = "sock get HOST:PATH [DEST]";
const NEVER = "sock puts, gets and lists; it renames and deletes nothing";

const COMMANDS_THERE = "sock shell HOST -- CMD, or sock shell HOST for a terminal";
const SOCKETS = "sock plain NAME=ADDR answers plain clients, sock echo tcp://HOST:PORT calls plain servers";
const ROUND_TRIPS = "sock udp HOST measures round trips and loss, sock echo HOST the same over TCP";

/** What one word too many may have been meant for. */
const WORDS_TOO_MANY: Readonly<Record<string, string>> = {
  open: "a script: sock open HOST < FILE, or -c 'LINE'",
  chat: "from a pipe: echo TEXT | sock chat HOST",
  ls: "one place each time, or a pattern: sock ls 'HOST:{a,b}'",
  invite: "with commas: --allow put,get",
};

const OPEN_COMMANDS: Readonly<Record<string, string>> = {
  dir: "ls",
  "?": "help",
  mget: "get takes patterns: get *.log",
  mput: "put takes patterns: put *.log",
  mkdir: "put makes the folders that are missing; or run mkdir, where the key allows a shell",
  rm: "sock deletes nothing; run rm, where the key allows a shell",
  mv: "sock renames nothing; run mv, where the key allows a shell",
  lls: "what is here Tab names: put, a blank, Tab",
  more: "cat",
  less: "cat",
};

const COMMANDS: Readonly<Record<string, string>> = {
  cp: COPY,
  scp: COPY,
  copy: COPY,
  rsync: COPY,
  sync: COPY,
  sftp: "sock open HOST",
  ftp: "sock open HOST",
  ssh: COMMANDS_THERE,
  exec: COMMANDS_THERE,
  run: COMMANDS_THERE,
  nc: SOCKETS,
  ncat: SOCKETS,
  netcat: SOCKETS,
  socat: SOCKETS,
  telnet: SOCKETS,
  listen: SOCKETS,
  irtt: ROUND_TRIPS,
  iperf: ROUND_TRIPS,
  iperf3: ROUND_TRIPS,
  bench: ROUND_TRIPS,
  tcp: "sock echo HOST",
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
  ping: ROUND_TRIPS,
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

/** The same in an interactive session. */
export function openHabit(name: string): string | undefined {
  if (name.startsWith("!")) return "commands here: another terminal, or Ctrl-D; over there: run LINE";
  return own(OPEN_COMMANDS, name);
}

/** What a command may have been given a word too many for. */
export function wordHabit(command: string): string | undefined {
  return own(WORDS_TOO_MANY, command);
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
