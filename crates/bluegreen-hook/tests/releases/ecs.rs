//! Releases that deployments drive which ECS runs itself.
