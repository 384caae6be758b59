/** What a program that runs for somebody else gets of our own environment, and the shell that it may run in. */
import { thisUser } from "./user.ts";

const WINDOWS = process.platform === "win32";

/** Of the server's own environment; nothing of SOCK_* or BUN_* is ever handed on. */
const INHERITED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR)$/;
const INHERITED_WINDOWS =
  /^(PATH|PATHEXT|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|TEMP|TMP|USERPROFILE|USERNAME|USERDOMAIN|HOMEDRIVE|HOMEPATH|APPDATA|LOCALAPPDATA|PROGRAMDATA|PROGRAMFILES|PROGRAMFILES\(X86\)|PROGRAMW6432|COMMONPROGRAMFILES|NUMBER_OF_PROCESSORS|PROCESSOR_ARCHITECTURE|OS|PUBLIC|COMPUTERNAME)$/i;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** The environment of every child, before the client's own variables. */
export function baseEnvironment(): Record<string, string> {
  const inherited = WINDOWS ? INHERITED_WINDOWS : INHERITED;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && inherited.test(name)) env[name] = value;
  }
  if (WINDOWS) return env;
  env["PATH"] ??= DEFAULT_PATH;
  const user = thisUser();
  env["HOME"] ??= user?.home ?? "/";
  if (user !== undefined) {
    env["USER"] ??= user.name;
    env["LOGNAME"] ??= user.name;
  }
  env["SHELL"] ??= loginShell();
  return env;
}

/** The shell of the user that serves. */
export function loginShell(): string {
  if (WINDOWS) return process.env["COMSPEC"] ?? "cmd.exe";
  const shell = thisUser()?.shell ?? "";
  return shell === "" ? "/bin/sh" : shell;
}
