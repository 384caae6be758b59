import { homedir } from "node:os";
import { type Host, listHosts, setHost } from "../client/host-store.ts";
import { SockError } from "../errors.ts";
import { stateFolder } from "../files/state.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { columns } from "./columns.ts";
import { defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "hosts",
    summary: "servers that this machine has joined",
    usage: ["hosts", "hosts set NAME KEY=VALUE..."],
    examples: [
      {
        line: "sock hosts set web1 address=web1.example.com:7625",
        does: "another way to the same server: its key is proved anyway",
      },
      {
        line: "sock hosts set web1 encoding=gbk",
        does: "what its programs print in; encoding=auto finds it out",
      },
    ],
  },
  args: {
    action: { type: "positional", required: false, description: "set; left out: lists" },
    name: { type: "positional", required: false, description: "a joined server" },
    settings: {
      type: "positional",
      required: false,
      variadic: true,
      description: "address=HOST:PORT or encoding=NAME",
    },
  },
  async run(context, { action, name, settings }) {
    const folder = stateFolder(context.env, process.platform, homedir());
    let hosts: Host[];
    if (action === undefined) {
      hosts = listHosts(folder);
    } else {
      if (action !== "set" || name === undefined || settings.length === 0) {
        throw new SockError("usage", "sock hosts lists; sock hosts set NAME KEY=VALUE changes");
      }
      hosts = [];
      for (const setting of settings) {
        const at = setting.indexOf("=");
        if (at < 0)
          throw new SockError(
            "usage",
            `${JSON.stringify(setting)} is not KEY=VALUE`,
            "address=HOST:PORT or encoding=gbk",
          );
        hosts = [
          await setHost(
            folder,
            name.replace(/:$/, "").toLowerCase(),
            setting.slice(0, at),
            setting.slice(at + 1),
          ),
        ];
      }
    }
    // never the secret
    context.json.result({
      hosts: hosts.map(({ name: called, addresses, pin, encoding, joined }) => ({
        name: called,
        addresses,
        pin,
        encoding: encoding ?? null,
        joined,
      })),
    });
    if (context.json.enabled) return;
    if (hosts.length === 0) context.ui.report("no server is joined here");
    for (const line of columns(hosts.map(row))) context.ui.print(line);
  },
});

function row(host: Host): string[] {
  const joined = `joined ${new Date(host.joined).toISOString()}`;
  return [host.name, escapeForDisplay(host.addresses.join(" ")), joined, host.encoding ?? ""];
}
