//! What tests and schemas run, with the toolkits that speak to it.

use std::sync::Arc;

use aws_types::SdkConfig;

use crate::{
    Result,
    stack_file::{JobKind, JobSettings, StackFile, TestKind, TestSettings},
    steps::{Job, Kind, Program},
};

/// Makes what `settings` of the table `owner` lets run.
pub(super) fn job(settings: &JobSettings, owner: &str, sdk: &SdkConfig) -> Result<Arc<dyn Job>> {
    // Without any service there is nobody to speak to.
    let _ = sdk;
    let limit = settings.deadline;
    Ok(match &settings.kind {
        #[cfg(feature = "lambda")]
        JobKind::Lambda(functions) => invoke(functions, limit, sdk)?,
        #[cfg(feature = "ecs")]
        JobKind::Task(config) => {
            let toolkit = bluegreen_ecs::AwsEcsTaskToolkit::new(sdk, config.clone())?;
            Arc::new(crate::steps::OneTask { toolkit: Arc::new(toolkit), config: config.clone() })
        }
        JobKind::Command(words) => {
            Arc::new(Program { words: words.clone(), owner: owner.to_owned(), limit })
        }
    })
}

/// Makes what the test of `settings` does.
pub(super) fn test(settings: &TestSettings, file: &StackFile, sdk: &SdkConfig) -> Result<Kind> {
    let _ = (file, sdk);
    Ok(match &settings.kind {
        #[cfg(feature = "http")]
        TestKind::Http(test) => Kind::Http(test.clone()),
        #[cfg(feature = "lambda")]
        TestKind::Lambda(functions) => Kind::Lambda(invoke(functions, settings.deadline, sdk)?),
        TestKind::Command(words) => Kind::Command(words.clone()),
        #[cfg(feature = "cloudwatch")]
        TestKind::Alarms(test) => Kind::Alarms(Arc::new(watched(test, file, sdk)?)),
        TestKind::Approve(sentence) => Kind::Approve(sentence.clone()),
    })
}

#[cfg(feature = "lambda")]
fn invoke(
    functions: &crate::stack_file::OneOrPair,
    deadline: std::time::Duration,
    sdk: &SdkConfig,
) -> Result<Arc<dyn Job>> {
    use bluegreen_lambda::{AwsLambdaToolkit, LambdaConfig};

    use crate::stack_file::OneOrPair;

    let toolkit = match functions {
        OneOrPair::One(name) => AwsLambdaToolkit::for_one_function(sdk, name)?,
        OneOrPair::Pair(functions) => {
            AwsLambdaToolkit::new(sdk, LambdaConfig { functions: functions.clone(), alias: None })?
        }
    };
    let toolkit = Arc::new(toolkit);
    Ok(Arc::new(crate::steps::Invoke { toolkit, functions: functions.clone(), deadline }))
}

#[cfg(feature = "cloudwatch")]
fn watched(
    test: &crate::stack_file::AlarmTest,
    file: &StackFile,
    sdk: &SdkConfig,
) -> Result<crate::steps::Watched> {
    use bluegreen_cloudwatch::AwsCloudWatchToolkit;
    use bluegreen_core::{ConfigProblem, Error};

    use crate::stack_file::Alarms;

    let toolkit = match &test.alarms {
        Alarms::Named(_) => AwsCloudWatchToolkit::for_names(sdk),
        Alarms::Of(name) => {
            let Some(table) = file.cloudwatch.iter().find(|it| it.name == *name) else {
                let message = format!("expected a table `[cloudwatch.{name}]`");
                let problems = vec![ConfigProblem::new("alarms", message)];
                return Err(Error::Configuration { problems }.into());
            };
            AwsCloudWatchToolkit::new(sdk, table.settings.clone())?
        }
    };
    Ok(crate::steps::Watched::new(Arc::new(toolkit), test.clone()))
}
