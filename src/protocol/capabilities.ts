/** What a key can be allowed to do: one capability for each family of verbs. */

export const CAPABILITIES = ["echo", "udp", "chat", "put", "get", "ls", "exec", "shell"] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** What a code allows when nothing else is said: all but running programs. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = ["echo", "udp", "chat", "put", "get", "ls"];

export function isCapability(text: unknown): text is Capability {
  return CAPABILITIES.some((known) => known === text);
}

/** The same capabilities, once each and in the order of the list above. */
export function sortCapabilities(caps: Iterable<Capability>): Capability[] {
  const wanted = new Set(caps);
  return CAPABILITIES.filter((cap) => wanted.has(cap));
}
