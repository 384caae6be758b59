import { homedir } from "node:os";
import { stateFolder } from "../files/state.ts";
import { DEFAULT_ALLOW, invite, type InviteOptions, pair } from "../server/invite.ts";
import { rightWords } from "../server/rights.ts";
import { formatDuration } from "../text/units.ts";
import { type Context, defineVerb } from "./verb.ts";
import { splitWords } from "./words.ts";

export default defineVerb({
  meta: {
    name: "invite",
    summary: "make a new code for the server of this machine",
    examples: [
      {
        line: "sock invite --name kai --allow put,get",
        does: "a code for one sock join within the hour, on stdout",
      },
      {
        line: "sock invite --direct --ttl 30d | gh secret set SOCK_JOIN",
        does: "a code for CI, which never joins",
      },
      {
        line: "sock invite --pair --host sock:7625 --allow udp,put",
        does: "both halves for containers without state",
      },
    ],
  },
  args: {
    name: {
      type: "string",
      valueHint: "NAME",
      description: "what to call it; sock revoke NAME ends it and its keys",
    },
    allow: {
      type: "string",
      repeat: true,
      valueHint: "CAP,…",
      description: `of echo udp chat put get ls exec shell (${DEFAULT_ALLOW.join(",")})`,
    },
    ttl: {
      type: "string",
      kind: "duration",
      valueHint: "DUR",
      description: "how long it is valid (1h; --direct: 30d)",
    },
    uses: {
      type: "string",
      kind: "count",
      valueHint: "N",
      description: "how often it can be used (1; --direct: any number)",
    },
    "key-ttl": {
      type: "string",
      kind: "duration",
      valueHint: "DUR",
      description: "how long the keys live that join by it",
    },
    cidr: {
      type: "string",
      repeat: true,
      valueHint: "RANGE",
      description: "only from these addresses, as 10.0.0.0/8",
    },
    scope: { type: "string", valueHint: "PATH", description: "only this folder of what is served" },
    host: {
      type: "string",
      repeat: true,
      valueHint: "NAME[:PORT]",
      description: "where clients find the server",
    },
    direct: { type: "boolean", description: "used as it is, in SOCK_JOIN; nothing is joined" },
    pair: {
      type: "boolean",
      description: "a new server's key too: SOCK_SERVE and SOCK_JOIN; needs no server",
    },
  },
  run(context, given) {
    const options: InviteOptions = {
      name: given.name,
      allow: given.allow.length === 0 ? DEFAULT_ALLOW : rightWords(given.allow),
      direct: given.direct,
      ttlMs: given.ttl,
      uses: given.uses,
      keyTtlMs: given["key-ttl"],
      cidr: splitWords(given.cidr),
      scope: given.scope,
    };
    return given.pair ? showPair(context, given.host, options) : showCode(context, given.host, options);
  },
});

async function showCode(context: Context, hosts: readonly string[], options: InviteOptions): Promise<void> {
  const folder = stateFolder(context.env, process.platform, homedir());
  const { code, grant, reach } = invite(folder, hosts, options);
  context.json.result({
    join: code,
    id: grant.id,
    name: grant.name,
    kind: grant.kind,
    allows: grant.caps,
    expires: grant.expires,
    uses: grant.uses,
    addresses: reach,
    state: folder,
  });
  if (context.json.enabled) return;
  const uses = grant.uses === null ? "" : grant.uses === 1 ? ", 1 use" : `, ${grant.uses} uses`;
  const ttl = grant.expires === null ? "" : `, for ${formatDuration(grant.expires - grant.created)}`;
  context.ui.report(`${grant.name}  ${grant.caps.join(" ")}${uses}${ttl}`);
  if (options.name !== undefined && options.name !== grant.name)
    context.ui.report(`  called so   ${options.name} is taken`);
  context.ui.report(`  reached at  ${reach.join(" ")}`);
  context.ui.report(`  list        ${folder}`);
  await context.ui.data(`${code}\n`);
}

async function showPair(context: Context, hosts: readonly string[], options: InviteOptions): Promise<void> {
  const { serve, join } = pair(hosts, options);
  context.json.result({ serve, join });
  if (context.json.enabled) return;
  await context.ui.data(`SOCK_SERVE=${serve}\nSOCK_JOIN=${join}\n`);
}
