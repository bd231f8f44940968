// Fetches pages of the service, with this tab's key if there is one. The key is kept in sessionStorage and sent
// in a header, never in an address: addresses are logged and shared.
const KEY_ITEM = "vidsearch-key";
const TIMEOUT_MS = 15_000;

/** Fetch and parse a page, whatever its status. Rejects if there is no response, or none within 15 seconds. */
export async function fetchPage(address, signal) {
  const key = sessionStorage.getItem(KEY_ITEM);
  const headers = { Accept: "text/html", ...(key && { "X-API-Key": key }) };
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(address, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout, headers });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  // Forget a key that was revoked. The page of this response asks for another one.
  if (key && page.querySelector("[data-problem=key-invalid]")) sessionStorage.removeItem(KEY_ITEM);
  return page;
}

export function hasKey() {
  return sessionStorage.getItem(KEY_ITEM) !== null;
}

export function keepKey(key) {
  // A key is printable ASCII. Other characters are not allowed in a header.
  sessionStorage.setItem(KEY_ITEM, key.replace(/[^\x21-\x7e]/g, ""));
}
