/** The group's gateway, where a fault can name a member. No member is called so in a fault. */
export const GATEWAY = "gateway";
