-- Airflow's own metadata, beside the database sohoa in the same server.
CREATE DATABASE airflow;
