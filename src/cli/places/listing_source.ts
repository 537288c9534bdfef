/** What `ls` shows in place of this store's members: those of a place with an engine, which are in several jobs. */

import type { MemberView } from "../member_view.ts";

let source: (() => Promise<MemberView[]>) | undefined;

export function useListing(views: () => Promise<MemberView[]>): void {
  source = views;
}

export function listingSource(): (() => Promise<MemberView[]>) | undefined {
  return source;
}
