-- ML Metadata on PostgreSQL indexes whole texts, and PostgreSQL indexes no row above 2,704 bytes: a
-- policy does not fit ("index row size exceeds btree version 4 maximum"). These index a text's start
-- only, as ML Metadata's own tables on MySQL do. Run it once, after the first step of the first run,
-- or anything else that connects, has laid the tables:
--
--     psql --single-transaction --set ON_ERROR_STOP=1 --file kubeflow/mlmd-postgresql.sql NAME
DROP INDEX IF EXISTS idx_artifact_property_string;
DROP INDEX IF EXISTS idx_execution_property_string;
DROP INDEX IF EXISTS idx_context_property_string;
CREATE INDEX idx_artifact_property_string
    ON artifactproperty (name, is_custom_property, left(string_value, 255));
CREATE INDEX idx_execution_property_string
    ON executionproperty (name, is_custom_property, left(string_value, 255));
CREATE INDEX idx_context_property_string
    ON contextproperty (name, is_custom_property, left(string_value, 255));
