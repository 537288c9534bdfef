/** What is loaded in a job of an engine alone: the hidden `fleetbox __job`, and what each command there does at first. */

export { stayInJob } from "../../../control/places/engine/job_holder.ts";
export { runSupervisor } from "../../../control/places/engine/supervisor.ts";
