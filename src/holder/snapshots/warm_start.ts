/**
 * Finds the template that a new member may start from, and says why when there is none.
 *
 * A template is a cache: a host that cannot restore machines, a damaged template, a part that differs, all of that ends in a boot.
 */

import { codeOf, messageOf } from "../../core/errors.ts";
import type { Options } from "../../core/options.ts";
import type { Image } from "../../image/image.ts";
import type { MemberConfig, Store } from "../../store.ts";
import { afterRun } from "../../store/scripts.ts";
import {
  readTemplate,
  removeTemplate,
  snapshotPaths,
  templateBudget,
  type TemplateManifest,
  templates,
} from "../../store/snapshots.ts";
import type { HypervisorHost } from "../host.ts";
import type { SavedSource } from "./sources.ts";
import { differingParts, templateKey, type TemplateParts, templateParts } from "./template_key.ts";

/** What a template of a member would be. */
export interface NextTemplate {
  key: string;
  parts: TemplateParts;
}

/** How a member starts. */
export interface WarmPlan {
  /** What it goes on from. */
  source?: SavedSource;
  /** What of its config comes from there. */
  based?: Pick<MemberConfig, "instance_id" | "layers" | "template" | "scripts">;
  /** Why it boots. */
  whyCold?: string;
  /** What a template of it would be. Absent: none can be taken, or none is wanted. */
  next?: NextTemplate;
}

interface WarmContext {
  store: Store;
  host: HypervisorHost;
  /** Called with what is told to the user. */
  onNote: (message: string) => void;
}

/** Never throws: what it cannot find out is a reason to boot. */
export async function planWarm(
  context: WarmContext,
  config: MemberConfig,
  image: Image,
  publicKey: string,
  options: Pick<Options, "cold" | "no_template">,
): Promise<WarmPlan> {
  const { store, host } = context;
  try {
    const budget = templateBudget();
    if (budget === 0) return { whyCold: "FLEETBOX_TEMPLATES is 0" };
    if (options.cold && options.no_template) return { whyCold: "--cold was asked for" };
    const hypervisor = await host.snapshotFacts(image.arch);
    const parts = await templateParts({ config, image, publicKey, hypervisor });
    const key = templateKey(parts);
    const next = options.no_template || config.log_writes ? undefined : { key, parts };
    if (options.cold) return { whyCold: "--cold was asked for", next };
    const template = await soundTemplate(context, config.name, key);
    if (template) return { ...startOf(store, template, config), next };
    return { whyCold: whyNone(store, parts), next };
  } catch (thrown) {
    const whyCold = messageOf(thrown);
    if (codeOf(thrown) === "misuse") context.onNote(`no template is used or taken: ${whyCold}`); // the same of each member
    return { whyCold };
  }
}

/** The template of this key. A damaged one is removed: else its member would boot each time, and take no new one. */
async function soundTemplate(
  { store, onNote }: WarmContext,
  name: string,
  key: string,
): Promise<TemplateManifest | undefined> {
  try {
    return readTemplate(store, key);
  } catch (damage) {
    onNote(brokenTemplate(name, messageOf(damage)));
    await removeTemplate(store, key);
    return undefined;
  }
}

/** The one line about a template that does not work. */
export function brokenTemplate(name: string, why: string): string {
  return `${name}: its template does not work and is removed, so it boots: ${why}`;
}

function startOf(store: Store, { key, member }: TemplateManifest, { scripts = [] }: MemberConfig): WarmPlan {
  const { instance_id, layers } = member.config;
  const ran = afterRun(scripts, scripts.map(({ digest }) => digest));
  const files = snapshotPaths(store).template(key);
  const source: SavedSource = { kind: "template", name: key, files, hostName: member.host_name };
  return { source, based: { instance_id, layers, template: key, ...(ran.length > 0 && { scripts: ran }) } };
}

/** What differs from the template that is the most like it. */
function whyNone(store: Store, parts: TemplateParts): string {
  const differences = templates(store).flatMap((one) => "manifest" in one ? [one.manifest.parts] : [])
    .filter(({ image }) => image === parts.image)
    .map((other) => differingParts(parts, other))
    .sort((a, b) => a.length - b.length);
  if (differences.length === 0) return "there is no template of its image yet";
  return `no template fits: the nearest has another ${differences[0].join(", another ")}`;
}
