//! [`Principal`], who makes calls, and whether they may.

use crate::{Call, Decision, Policy, Question, Refusal, World, services};

/// Somebody who makes calls.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    /// Its ARN; that of a session names the session.
    pub(super) arn: String,
    /// `None` may do everything.
    pub(super) policy: Option<Policy>,
}

impl Principal {
    /// Returns the ARN that policies know it by: of a session it is that of its role.
    fn identity(&self) -> String {
        match self.arn.split_once(":assumed-role/") {
            Some((account, session)) => {
                let role = session.split('/').next().unwrap_or_default();
                format!("{}:role/{role}", account.replace(":sts:", ":iam:"))
            }
            None => self.arn.clone(),
        }
    }
}

/// Checks who asks, and whether their policy allows it.
pub(super) fn may(
    world: &World,
    call: &Call,
    principal: Option<&Principal>,
) -> Result<(), Refusal> {
    let Some(principal) = principal else {
        return Err(match call.access_key {
            None => Refusal::new(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
            Some(_) => Refusal::new(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
        });
    };
    let Some(policy) = &principal.policy else { return Ok(()) };
    // §12: nobody needs a permission to ask who they are.
    if call.service == "sts" {
        return Ok(());
    }
    for mut concern in services::concerns(world, call).0 {
        concern.give("aws:RequestedRegion", &world.region);
        concern.give("aws:PrincipalAccount", &world.account);
        concern.give("aws:PrincipalArn", &principal.identity());
        concern.give("aws:SecureTransport", "true");
        let services::Concern { action, resource, conditions } = concern;
        let action = action.unwrap_or_else(|| call.action());
        let question = Question { action, resource, conditions };
        if policy.decide(&question) != Decision::Allowed {
            let Question { action, resource, .. } = &question;
            return Err(services::denied(call, action, &principal.arn, resource));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Settings, services::testing::call};

    /// Asks whether a role with a policy under this condition may start a cluster.
    fn may_start(condition: Value) -> bool {
        let world = World::new(&Settings::default());
        let statement = json!({
            "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition,
        });
        let policy = Policy::parse(&json!({ "Statement": statement }).to_string()).unwrap();
        let arn = "arn:aws:sts::123456789012:assumed-role/deployer/simulated".to_owned();
        let principal = Principal { arn, policy: Some(policy) };
        let call = call("rds", "StartDBCluster", json!({ "DBClusterIdentifier": "orders-b" }));
        may(&world, &call, Some(&principal)).is_ok()
    }

    #[test]
    fn policies_know_where_a_call_goes_who_makes_it_and_how() {
        for (key, value, other) in [
            ("aws:RequestedRegion", "eu-west-1", "eu-central-1"),
            ("aws:PrincipalAccount", "123456789012", "210987654321"),
            (
                "aws:PrincipalArn",
                "arn:aws:iam::123456789012:role/deployer",
                "arn:aws:iam::123456789012:role/somebody",
            ),
            ("aws:SecureTransport", "true", "false"),
        ] {
            assert!(may_start(json!({ "StringEquals": { key: value } })), "{key}");
            assert!(!may_start(json!({ "StringEquals": { key: other } })), "{key}");
        }
    }
}
