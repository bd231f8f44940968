// Pages of the service, fetched with the key of this tab where there is one. It is kept in the tab's own
// storage and sent as a header: never in an address, which is logged and shared.
const STORED_AS = "vidsearch-key";
const PATIENCE_MS = 15_000;

/** Fetch a page, whatever its status, and parse it. Rejects where there is no answer, or none in time. */
export async function fetchPage(address, signal) {
  const key = sessionStorage.getItem(STORED_AS);
  const headers = { Accept: "text/html", ...(key && { "X-API-Key": key }) };
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(address, { signal: signal ? AbortSignal.any([signal, patience]) : patience, headers });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  // One that was revoked is of no more use; a page that asks for another comes with the answer.
  if (key && page.querySelector("[data-problem=key-invalid]")) sessionStorage.removeItem(STORED_AS);
  return page;
}

export function hasKey() {
  return sessionStorage.getItem(STORED_AS) !== null;
}

export function keepKey(key) {
  // A key is printable ASCII, and a header takes nothing else.
  sessionStorage.setItem(STORED_AS, key.replace(/[^\x21-\x7e]/g, ""));
}
