/** Version of this build; the build puts package.json's in. */
declare const SOCK_VERSION: string | undefined;

export const VERSION: string = typeof SOCK_VERSION === "string" ? SOCK_VERSION : "0.0.0-source";
