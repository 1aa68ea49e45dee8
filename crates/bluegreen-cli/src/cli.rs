//! The command line: what can be typed.

use std::{path::PathBuf, time::Duration};

use bluegreen_core::StackReference;
use bluegreen_deploy::Phase;
use bluegreen_sim::FaultRule;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// Move a whole AWS stack from a to b, and see what happens.
///
/// AWS credentials, profiles and endpoints are taken from where every AWS tool takes them.
#[derive(Debug, Parser)]
#[command(name = "bluegreen", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The stack file.
    #[arg(long, short, global = true, default_value = "bluegreen.toml", value_name = "PATH")]
    pub(crate) file: PathBuf,

    /// Print one JSON document on stdout, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Answer every question with yes.
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,

    /// Say more on stderr: -v what the engine does, -vv every look, -vvv the SDK too.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say which stack is active: makes the store, or sets its pointer right.
    Adopt {
        /// The stack that serves production.
        #[arg(long, value_name = "a|b")]
        active: StackReference,
        /// Why, for those who read the store later.
        #[arg(long)]
        reason: Option<String>,
    },

    /// Look, and show every step with what it would change; writes nothing.
    Plan {
        /// Only these phases: prepare, test, promote, hold, retire.
        phases: Vec<Phase>,
        /// The stack that is to become active; the standby, or the open release's, when left out.
        #[arg(long, value_name = "a|b")]
        to: Option<StackReference>,
    },

    /// Move production to a stack: all phases, or the open release's that are left.
    Deploy {
        /// The stack that is to become active.
        #[arg(long, value_name = "a|b")]
        to: Option<StackReference>,
        /// End after this phase; the release stays open.
        #[arg(long, value_name = "PHASE", conflicts_with = "no_wait")]
        until: Option<Phase>,
        /// End when the hold begins; the release stays open.
        #[arg(long)]
        no_wait: bool,
        /// End after this long, such as 30m; the release stays open, and calls under way are finished.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        timeout: Option<Duration>,
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Open a release, and start, feed and switch on the standby.
    Prepare {
        /// The stack that is to become active.
        #[arg(long, value_name = "a|b")]
        to: Option<StackReference>,
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Try the open release's stack out, when it is prepared.
    Test {
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Move production in the open release.
    Promote {
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Wait until the open release's hold is over, and switch the old stack off.
    Retire {
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Take the open release back: traffic, pointer, exclusive consumers and alarms first, then the standby.
    ///
    /// Where it has begun to switch the old stack off, a release in the other direction follows instead.
    Rollback {
        /// Although a database lacks what was written to its partner since production moved.
        #[arg(long, conflicts_with = "rebuild")]
        accept_data_loss: bool,
        /// Switch the old stack off to the end, then fill it again and deploy it: only when it was begun to be
        /// switched off.
        #[arg(long)]
        rebuild: bool,
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Go on with the open release where it stopped: forward, or back if it is being taken back.
    ///
    /// Forward it goes as far as somebody has asked the release to go, and says so: after `prepare` to the end of that
    /// phase; `deploy` does the rest.
    Retry {
        /// Go on only if this step has failed, and not with this step alone: its name, with `/` and the resource where
        /// several are called so.
        step: Option<String>,
        /// Go on with the open release although its plan has changed.
        #[arg(long)]
        replan: bool,
    },

    /// Let the open release go on without a step that is left.
    Skip {
        /// Its name, with `/` and the resource where several are called so: `ecs.enable/worker`.
        step: String,
        /// Why, for those who read the history later.
        #[arg(long)]
        reason: String,
    },

    /// Let the open release pass a guardrail, until it ends.
    Override {
        /// Its name, such as release.hold.
        name: String,
        /// Why, for those who read the history later.
        #[arg(long)]
        reason: String,
    },

    /// Say yes to a gate of the open release that waits for a person.
    Approve {
        /// Its name; the only one that waits, when left out.
        gate: Option<String>,
        /// Why, for those who read the history later.
        #[arg(long)]
        reason: Option<String>,
    },

    /// Say no to a gate of the open release that waits for a person.
    Reject {
        /// Its name; the only one that waits, when left out.
        gate: Option<String>,
        /// Why, for those who read the history later.
        #[arg(long)]
        reason: String,
    },

    /// Show which stack is active, where traffic is, the open release, and every resource.
    Status {
        /// Look again and again, until the open release has ended, or until Ctrl-C.
        #[arg(long)]
        watch: bool,
        /// The time between two looks.
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "5s", requires = "watch")]
        every: Duration,
    },

    /// List all releases: the open one, and those that have ended.
    History,

    /// Show what happened in a release, step by step.
    Show {
        /// Its id, or a beginning that only one has; `open` for the open one.
        release: String,
    },

    /// Take the lease away from a process that is gone.
    Unlock {
        /// From one that is alive, too: it stops in the middle, and what it has sent may still take effect. Where nobody
        /// is asked, `--yes` alone does not do that.
        #[arg(long)]
        force: bool,
    },

    /// Run one step by itself, under the same guards.
    Step {
        /// Its name, such as sqs.purge.
        name: String,
        /// The stack to act on.
        #[arg(long, value_name = "a|b")]
        stack: StackReference,
        /// Only on this resource, by its name without the service.
        #[arg(long, value_name = "NAME")]
        resource: Option<String>,
    },

    /// Move production in a simulated account: no AWS, no credentials, an hour in a second.
    ///
    /// The account is built from the stack file, with all that AWS takes its time for. Whatever is printed on
    /// stdout is in the account's time; the same seed prints the same.
    Rehearse(RehearseArguments),

    /// Print the least IAM policy for the stack file; on stderr, why it has the wildcards that it has.
    ///
    /// Nothing is asked of AWS. The policy covers both directions, and `status`.
    IamPolicy {
        /// What it is to allow.
        #[arg(long = "for", value_name = "WHAT", default_value = "deploy")]
        purpose: PolicyFor,
        /// With `--for hook`: the name of the function.
        #[arg(long, value_name = "NAME", default_value = "CodeDeployHook_bluegreen")]
        function: String,
        /// With `--for hook`: the name of the SSM parameter that has the stack file.
        #[arg(long, value_name = "NAME", default_value = "/bluegreen/*")]
        parameter: String,
    },

    /// Check whether the deployed hook could do its work; nothing is changed.
    ///
    /// The function looks at all that it needs: its stack file, the store, what it may report and start, every
    /// resource, whether the reconciler is called. IAM is asked whether the deployment groups' roles may call it.
    CheckHook {
        /// The name of the function, or its ARN.
        #[arg(long, default_value = "CodeDeployHook_bluegreen")]
        function: String,
    },

    /// Write a commented stack file to begin with.
    Init {
        /// Make the table that the stack file's store is to be kept in, instead.
        #[arg(long)]
        create_table: bool,
    },
}

/// What a policy is to allow.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PolicyFor {
    /// Everything that a release does, and to look.
    Deploy,
    /// To look: plan and status.
    Plan,
    /// What the hook Lambda does: everything that a release does, and what makes a hook of it.
    Hook,
}

/// How a release is rehearsed.
#[derive(Debug, Args)]
pub(crate) struct RehearseArguments {
    /// The stack file; that of --file when left out.
    #[arg(value_name = "STACK FILE")]
    pub(crate) stack_file: Option<PathBuf>,
    /// The stack that is to become active; the other one is in production at the beginning.
    #[arg(long, value_name = "a|b", default_value = "b")]
    pub(crate) to: StackReference,
    /// What all chance comes from: how long things take, which messages are sent when.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Something that goes wrong, such as `sns.enable: throttle*3`, `rds:StartDBCluster: reset-after` or
    /// `lambda:*: 503*always`; again for more. The faults: throttle, 500, 503, reset, reset-after, timeout, slow,
    /// deny, slow-state, broken.
    #[arg(long = "fault", value_name = "WHERE: WHAT")]
    pub(crate) faults: Vec<FaultRule>,
    /// How long a cluster takes to start; 5 to 15 minutes when left out.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) cluster_start: Option<Duration>,
}

impl Command {
    /// Returns the word that was typed.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Adopt { .. } => "adopt",
            Self::Plan { .. } => "plan",
            Self::Deploy { .. } => "deploy",
            Self::Prepare { .. } => "prepare",
            Self::Test { .. } => "test",
            Self::Promote { .. } => "promote",
            Self::Retire { .. } => "retire",
            Self::Rollback { .. } => "rollback",
            Self::Retry { .. } => "retry",
            Self::Skip { .. } => "skip",
            Self::Override { .. } => "override",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Status { .. } => "status",
            Self::History => "history",
            Self::Show { .. } => "show",
            Self::Unlock { .. } => "unlock",
            Self::Step { .. } => "step",
            Self::Rehearse(_) => "rehearse",
            Self::IamPolicy { .. } => "iam-policy",
            Self::CheckHook { .. } => "check-hook",
            Self::Init { .. } => "init",
        }
    }

    /// Returns whether it looks at the account, and not at the store alone.
    pub(crate) fn asks_aws(&self) -> bool {
        !matches!(
            self,
            Self::Skip { .. }
                | Self::Override { .. }
                | Self::Approve { .. }
                | Self::Reject { .. }
                | Self::History
                | Self::Show { .. }
                | Self::Unlock { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn colours_are_taken_for_stacks() {
        let cli = Cli::try_parse_from(["bluegreen", "deploy", "--to", "green"]).unwrap();

        assert!(matches!(cli.command, Command::Deploy { to: Some(StackReference::B), .. }));
    }

    #[test]
    fn a_phase_that_does_not_exist_is_refused_with_those_that_do() {
        let err = Cli::try_parse_from(["bluegreen", "plan", "prepair"]).unwrap_err();

        assert!(err.to_string().contains("expected prepare, test, promote, hold or retire"));
    }
}
