/** Label of every container, network and volume of the rig; `destroy` removes exactly what carries it. */
export const LABEL = "foundation.sandbox";
