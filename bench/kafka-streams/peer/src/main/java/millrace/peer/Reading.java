package millrace.peer;

/** What a sensor tells: one temperature in °C at one moment (epoch milliseconds). */
record Reading(String eventId, String sensorId, long timestamp, double temperature, boolean synthetic) {}
