"""All SQL of Ringback: tables, and every statement on them. Nothing here decides anything."""
