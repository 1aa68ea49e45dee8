//! From a stack file to the resources it names, in the account that an `SdkConfig` points at.

mod runs;

use std::sync::Arc;

use aws_types::SdkConfig;

#[cfg(feature = "ecs")]
use crate::EcsTraffic;
#[cfg(feature = "codedeploy")]
use crate::{CodeDeployTraffic, Serving, stack_file::CodeDeployServes};
#[cfg(any(feature = "codedeploy", feature = "ecs"))]
use crate::{
    Platforms,
    stack_file::{MoverKind, MoverSettings, Traffic},
};
use crate::{
    Resource, Resources, Result, SourceQueue,
    stack_file::{JobSettings, StackFile},
    steps::{Schema, Test},
};

impl Resources {
    /// Makes the toolkits of everything that `file` names. Nothing is called.
    ///
    /// # Errors
    ///
    /// [`bluegreen_core::Error::Configuration`] for settings that no stack file could have had: reading
    /// one has checked them.
    pub fn connect(file: &StackFile, sdk: &SdkConfig) -> Result<Self> {
        let mut all: Vec<Arc<dyn Resource>> = Vec::new();
        let mut queues: Vec<Arc<dyn SourceQueue>> = Vec::new();

        #[cfg(feature = "aurora")]
        for it in &file.aurora {
            let toolkit = bluegreen_aurora::AwsAuroraToolkit::new(sdk, it.settings.config.clone())?;
            all.push(Arc::new(crate::steps::Aurora::new(it, Arc::new(toolkit))));
        }
        #[cfg(feature = "kinesis")]
        for it in &file.kinesis {
            let toolkit =
                bluegreen_kinesis::AwsKinesisToolkit::new(sdk, it.settings.config.clone())?;
            all.push(Arc::new(crate::steps::Kinesis::new(it, Arc::new(toolkit))));
        }
        #[cfg(feature = "sqs")]
        for it in &file.sqs {
            let toolkit = bluegreen_sqs::AwsSqsToolkit::new(sdk, it.settings.config.clone())?;
            let sqs = Arc::new(crate::steps::Sqs::new(it, Arc::new(toolkit)));
            queues.push(Arc::clone(&sqs) as Arc<dyn SourceQueue>);
            all.push(sqs);
        }
        #[cfg(feature = "sns")]
        for it in &file.sns {
            let toolkit = bluegreen_sns::AwsSnsToolkit::new(sdk, it.settings.config.clone())?;
            all.push(Arc::new(crate::steps::Sns::new(it, Arc::new(toolkit))));
        }
        #[cfg(feature = "lambda")]
        let mut first: Option<bluegreen_lambda::AwsLambdaToolkit> = None;
        #[cfg(feature = "lambda")]
        for it in &file.lambda {
            let config = it.settings.config.clone();
            // They share what is the same for all functions: the list of event buses.
            let toolkit = match &first {
                Some(first) => first.with_config(config)?,
                None => bluegreen_lambda::AwsLambdaToolkit::new(sdk, config)?,
            };
            first.get_or_insert_with(|| toolkit.clone());
            all.push(Arc::new(crate::steps::Lambda::new(it, Arc::new(toolkit), queues.clone())));
        }
        #[cfg(feature = "ecs")]
        for it in &file.ecs {
            let toolkit = bluegreen_ecs::AwsEcsToolkit::new(sdk, it.settings.config.clone())?;
            let queue = queue(file, &queues, it.settings.queue.as_deref());
            all.push(Arc::new(crate::steps::Ecs::new(it, Arc::new(toolkit), queue)));
        }
        #[cfg(feature = "dynamodb")]
        for it in &file.dynamodb {
            let toolkit =
                bluegreen_dynamodb::AwsDynamoDbToolkit::new(sdk, it.settings.config.clone())?;
            all.push(Arc::new(crate::steps::DynamoDb::new(it, Arc::new(toolkit))));
        }
        #[cfg(feature = "cloudwatch")]
        for it in &file.cloudwatch {
            let toolkit =
                bluegreen_cloudwatch::AwsCloudWatchToolkit::new(sdk, it.settings.clone())?;
            all.push(Arc::new(crate::steps::CloudWatch::new(it, Arc::new(toolkit))));
        }
        for it in &file.schemas {
            let job = |job: &Option<JobSettings>| {
                job.as_ref()
                    .map(|job| runs::job(job, &format!("schema.{}", it.name), sdk))
                    .transpose()
            };
            let (reset, hydrate) = (job(&it.settings.reset)?, job(&it.settings.hydrate)?);
            all.push(Arc::new(Schema::new(it, reset, hydrate)));
        }
        for it in &file.tests {
            all.push(Arc::new(Test::new(it, runs::test(it, file, sdk)?)));
        }
        Ok(Self { all, queues, platforms: platforms(file, sdk)? })
    }
}

/// Makes the movers whose traffic a platform moves.
#[cfg(any(feature = "codedeploy", feature = "ecs"))]
fn platforms(file: &StackFile, sdk: &SdkConfig) -> Result<Platforms> {
    use bluegreen_ecs::{AwsEcsTrafficToolkit, EcsTrafficConfig};

    let mut platforms = Platforms::default();
    let Traffic::Movers(movers) = &file.traffic else { return Ok(platforms) };
    let service = |cluster: &String, service: &String| {
        let config = EcsTrafficConfig { cluster: cluster.clone(), service: service.clone() };
        AwsEcsTrafficToolkit::new(sdk, config).map(Arc::new)
    };
    for MoverSettings { name, kind, .. } in movers {
        match kind {
            MoverKind::Command(_) => {}
            #[cfg(feature = "codedeploy")]
            MoverKind::CodeDeploy(settings) => {
                let serving = match &settings.serves {
                    CodeDeployServes::Service { cluster, service: name, .. } => {
                        Serving::Service(service(cluster, name)?)
                    }
                    CodeDeployServes::Function { .. } => Serving::Function(Arc::new(
                        bluegreen_lambda::AwsLambdaTrafficToolkit::new(sdk),
                    )),
                };
                let toolkit = Arc::new(bluegreen_codedeploy::AwsCodeDeployToolkit::new(sdk));
                let traffic = CodeDeployTraffic::new(name, settings.clone(), toolkit, serving);
                platforms.codedeploy.push(Arc::new(traffic));
            }
            #[cfg(feature = "ecs")]
            MoverKind::Ecs(settings) => {
                let toolkit = service(&settings.cluster, &settings.service)?;
                let traffic = EcsTraffic::new(name, settings.clone(), toolkit);
                platforms.ecs.push(Arc::new(traffic));
            }
        }
    }
    Ok(platforms)
}

/// Returns none: no platform is compiled in.
#[cfg(not(any(feature = "codedeploy", feature = "ecs")))]
fn platforms(_: &StackFile, _: &SdkConfig) -> Result<crate::Platforms> {
    Ok(crate::Platforms::default())
}

/// Returns the queues of the table `[sqs.name]`, of all in the order of the file.
#[cfg(all(feature = "ecs", feature = "sqs"))]
fn queue(
    file: &StackFile,
    queues: &[Arc<dyn SourceQueue>],
    name: Option<&str>,
) -> Option<Arc<dyn SourceQueue>> {
    let mut tables = file.sqs.iter().zip(queues);
    tables.find(|(it, _)| Some(it.name.as_str()) == name).map(|(_, queue)| Arc::clone(queue))
}

/// Returns none: a file without queues cannot name one.
#[cfg(all(feature = "ecs", not(feature = "sqs")))]
fn queue(
    _: &StackFile,
    _: &[Arc<dyn SourceQueue>],
    _: Option<&str>,
) -> Option<Arc<dyn SourceQueue>> {
    None
}
