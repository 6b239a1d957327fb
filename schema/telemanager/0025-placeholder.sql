-- Number kept free for a file that comes.
SELECT 1;
