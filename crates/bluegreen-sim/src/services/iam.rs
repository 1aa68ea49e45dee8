//! IAM: what the roles of others may do, for whoever asks beforehand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Concerns, unknown};
use crate::{Call, Decision, Policy, Question, Refusal, World, call::Answer};

/// §11: what AWS's own policies let CodeDeploy call, with any role that nobody has added.
const MANAGED: &str = "CodeDeployHook_";

/// What there is of IAM.
#[derive(Debug, Default)]
pub struct Iam {
    /// The policies of roles, by their ARNs.
    roles: BTreeMap<String, Policy>,
}

impl World {
    /// Adds a role that has this policy. One that nobody has added has AWS's own for CodeDeploy: it may invoke
    /// functions whose names begin with `CodeDeployHook_`.
    pub fn add_role(&mut self, arn: &str, policy: Policy) {
        self.iam.roles.insert(arn.to_owned(), policy);
    }
}

pub(super) fn answer(world: &mut World, call: &Call) -> Answer {
    if call.operation != "SimulatePrincipalPolicy" {
        return Err(unknown(call));
    }
    let Some(role) = call.text("PolicySourceArn") else {
        return Err(Refusal::bad("ValidationError", "PolicySourceArn is missing"));
    };
    let texts = |name: &str| {
        let list = call.parameters.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut resources = texts("ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let mut results = Vec::new();
    for action in texts("ActionNames") {
        for resource in &resources {
            let decision = match world.iam.roles.get(role) {
                Some(policy) => {
                    let question = Question {
                        action: action.clone(),
                        resource: resource.clone(),
                        ..Question::default()
                    };
                    policy.decide(&question)
                }
                None => managed(&action, resource),
            };
            results.push(json!({
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": match decision {
                    Decision::Allowed => "allowed",
                    Decision::ExplicitDeny => "explicitDeny",
                    Decision::ImplicitDeny => "implicitDeny",
                },
            }));
        }
    }
    Ok(json!({ "EvaluationResults": results, "IsTruncated": false }))
}

fn managed(action: &str, resource: &str) -> Decision {
    let function = resource.split(":function:").nth(1).unwrap_or_default();
    match action == "lambda:InvokeFunction" && function.starts_with(MANAGED) {
        true => Decision::Allowed,
        false => Decision::ImplicitDeny,
    }
}

pub(super) fn concerns(_: &World, call: &Call) -> Concerns {
    Concerns::on([call.text("PolicySourceArn").unwrap_or("*").to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, services::testing::call};

    fn decision(world: &mut World, role: &str, function: &str) -> Value {
        let asked = json!({
            "PolicySourceArn": role,
            "ActionNames": ["lambda:InvokeFunction"],
            "ResourceArns": [format!("arn:aws:lambda:eu-west-1:123456789012:function:{function}")],
        });
        let answer = answer(world, &call("iam", "SimulatePrincipalPolicy", asked)).unwrap();
        answer["EvaluationResults"][0]["EvalDecision"].clone()
    }

    #[test]
    fn a_role_that_nobody_has_added_may_call_functions_with_the_hooks_name() {
        let mut world = World::new(&Settings::default());

        assert_eq!(decision(&mut world, "codedeploy", "CodeDeployHook_bluegreen"), "allowed");
        assert_eq!(decision(&mut world, "codedeploy", "bluegreen"), "implicitDeny");
    }

    #[test]
    fn a_role_may_what_its_policy_says() {
        let mut world = World::new(&Settings::default());
        let policy = r#"{"Statement": {"Effect": "Deny", "Action": "lambda:*", "Resource": "*"}}"#;
        world.add_role("codedeploy", Policy::parse(policy).unwrap());

        assert_eq!(decision(&mut world, "codedeploy", "CodeDeployHook_bluegreen"), "explicitDeny");
    }
}
