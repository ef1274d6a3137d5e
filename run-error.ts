import * as pulumi from "@pulumi/pulumi";
import { UserError } from "./errors.ts";

/**
 * Makes Pulumi show a UserError as it is meant: what is wrong and what to run, without the stack of a defect.
 * The error itself is the `cause`, for whoever wants its exit code.
 */
export function withReadableErrors<T>(program: () => Promise<T>): () => Promise<T> {
  return async () => {
    try {
      return await program();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw Object.assign(new pulumi.RunError(`${error.message}\nhint: ${error.hint}`), { cause: error });
    }
  };
}
