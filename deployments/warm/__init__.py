"""The warm runner: flow runs start from an interpreter that has imported everything already."""
