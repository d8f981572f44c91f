//! `/openapi.json`, generated from the code's own types, and a page at `/docs` whose assets are inside the binary.

use axum::Router;
use utoipa::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use super::{admin, describe, observe, predict};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stillhouse",
        description = "A model server for distilled image classifiers."
    ),
    paths(
        predict::default_model,
        predict::named_model,
        describe::list,
        describe::one,
        observe::livez,
        observe::readyz,
        admin::events::follow,
        admin::view::list,
        admin::view::one,
        admin::view::history,
        admin::watch::evidence,
        admin::watch::drift,
        admin::watch::plan,
        admin::orders::start_canary,
        admin::orders::set_plan,
        admin::orders::set_split,
        admin::orders::promote,
        admin::orders::abort,
        admin::orders::rollback,
        admin::orders::set_teacher,
        admin::versions::list,
        admin::versions::load,
        admin::versions::upload,
        admin::versions::remove
    ),
    components(schemas(super::error::Problem))
)]
struct Api;

/// The routes of both.
pub(crate) fn router() -> Router {
    SwaggerUi::new("/docs")
        .url("/openapi.json", Api::openapi())
        .into()
}
