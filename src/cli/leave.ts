import { homedir } from "node:os";
import { removeHost } from "../client/host-store.ts";
import { SockError } from "../errors.ts";
import { stateFolder } from "../files/state.ts";
import { defineVerb } from "./verb.ts";

export default defineVerb({
  meta: {
    name: "leave",
    summary: "forget a server and the key for it",
    usage: "leave HOST...",
    more: ["The server still knows the key: there, sock revoke ends it."],
    examples: [{ line: "sock leave web1", does: "the next sock join needs a new code" }],
  },
  args: {
    hosts: {
      type: "positional",
      required: false,
      variadic: true,
      description: "names that sock hosts lists",
    },
  },
  run(context, { hosts }) {
    if (hosts.length === 0) throw new SockError("usage", "leave which server?", "sock hosts lists them");
    const folder = stateFolder(context.env, process.platform, homedir());
    for (const name of hosts) {
      removeHost(folder, name.replace(/:$/, "").toLowerCase());
      context.ui.report(`forgot ${name}`);
    }
    context.json.result({ forgot: hosts });
  },
});
