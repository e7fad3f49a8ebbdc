//! The embedded AWS in a test of one's own: any client of the AWS SDK works on it, in process, without a port.
//! Here a table is made, and DynamoDB is busy with it for as long as the test says.
//! `cargo run --example embedded_aws`.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use trueup::aws::Sessions;
use trueup::model::Clock;
use trueup::sandbox::{Behaviour, Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let behaviour = Behaviour { busy_for: Duration::from_secs(1), ..Behaviour::default() };
    let sandbox = Sandbox::new(behaviour, Clock::system());
    let sessions = Sessions::new(&sandbox.connection(), Clock::system(), None).await;
    let session = sessions.home().await?;
    let tables = session.dynamodb();
    let of_text = ScalarAttributeType::S;
    let id = AttributeDefinition::builder().attribute_name("id").attribute_type(of_text).build()?;
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    let create =
        tables.create_table().table_name("orders").billing_mode(BillingMode::PayPerRequest);
    create.attribute_definitions(id).key_schema(key).send().await?;
    for _ in 0..2 {
        let described = tables.describe_table().table_name("orders").send().await?;
        println!("{:?}", described.table().and_then(|table| table.table_status()));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    println!("{:?}", sandbox.calls().counts());
    Ok(())
}
