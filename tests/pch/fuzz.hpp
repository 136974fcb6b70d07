// Precompiled for the fuzz targets. See src/pch/std.hpp.
#pragma once

#include "pch/std.hpp"
