//! Whole releases that are driven by hook events only, in a simulated account under virtual time: CodeDeploy and ECS play
//! their parts, the function answers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod codedeploy;
mod ecs;
mod events;
mod shop;
mod stages;
mod updates;
